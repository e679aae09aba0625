-- Grain: system, touchpoint, campaign, spent_on, currency.
-- What advertising cost up to the newest ds, by the newest figures. It is nobody's in
-- particular: what a user cost is a share of it.
with

newest as (

    select ds
    from {{ source("ops", "run_dates") }}
    where ds = {{ newest_day() }}

),

ad_costs as (

    select
        system,
        touchpoint,
        campaign,
        spent_on,
        impressions,
        clicks,
        cost,
        currency,
        known_at
    from {{ source("staging", "ad_costs") }}

),

final as (

    select
        ad_costs.system,
        ad_costs.touchpoint,
        ad_costs.campaign,
        ad_costs.spent_on,
        cast(sum(ad_costs.impressions) as bigint) as impressions,
        cast(sum(ad_costs.clicks) as bigint) as clicks,
        cast(sum(ad_costs.cost) as decimal(18, 4)) as cost,
        ad_costs.currency,
        max(ad_costs.known_at) as known_at,
        {{ run_id() }} as _run_id
    from ad_costs
    inner join newest on ad_costs.spent_on <= newest.ds
    group by
        ad_costs.system,
        ad_costs.touchpoint,
        ad_costs.campaign,
        ad_costs.spent_on,
        ad_costs.currency

)

select * from final

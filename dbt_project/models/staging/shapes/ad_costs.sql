-- Grain: system, touchpoint, campaign, day, currency and known_at: how the costs of
-- advertising changed, by when that was known; their sum is what a campaign's day cost.
-- It is nobody's in particular: a share of it goes to each touch.
{{ config(meta={"publish": "replace"}) }}

with

ad_costs as (

    {{ union_shapes("ad_costs", [
        "touchpoint",
        "campaign",
        "spent_on",
        "impressions",
        "clicks",
        "cost",
        "currency",
        "known_at",
    ]) }}

),

final as (

    select
        system,
        touchpoint,
        campaign,
        spent_on,
        cast(impressions as bigint) as impressions,
        cast(clicks as bigint) as clicks,
        {{ to_decimal("cost") }} as cost,
        currency,
        known_at,
        {{ run_id() }} as _run_id
    from ad_costs

)

select * from final

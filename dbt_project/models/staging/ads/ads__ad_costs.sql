-- Grain: touchpoint, campaign, day and currency. Several accounts of a network may bill
-- one campaign: their figures add up.
{{ config(materialized="ephemeral") }}

with

costs as (

    select * from {{ ref("stg_ads__costs") }}

),

final as (

    select
        touchpoint,
        campaign,
        spent_on,
        currency,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(cost) as cost,
        max(_known_at) as known_at
    from costs
    group by touchpoint, campaign, spent_on, currency

)

select * from final

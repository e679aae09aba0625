-- Grain: touchpoint, campaign, day, currency and known_at. Several accounts of a
-- network may bill one campaign: their figures add up. A bill that is corrected is
-- taken back when the correction is known, so that what was known at any moment is a
-- sum.
{{ config(materialized="ephemeral") }}

with

versions as (

    select * from {{ ref("int_ads__cost_versions") }}

),

-- Of what came at one moment the newest version counts.
numbered as (

    select
        *,
        row_number() over (
            partition by cost_day_id, _known_at
            order by
                updated_at desc nulls last,
                _load_id desc nulls last,
                _file desc nulls last,
                _row desc nulls last
        ) as place
    from versions

),

-- A version that comes after a newer one never held.
compared as (

    select
        *,
        max(updated_at) over (
            partition by cost_day_id
            order by _known_at
            rows between unbounded preceding and 1 preceding
        ) as newest_before_at
    from numbered
    where place = 1

),

held as (

    select
        *,
        lead(_known_at) over (
            partition by cost_day_id
            order by _known_at
        ) as replaced_known_at
    from compared
    where newest_before_at is null or updated_at >= newest_before_at

),

changes as (

    select
        touchpoint,
        campaign,
        spent_on,
        currency,
        impressions,
        clicks,
        cost,
        _known_at as known_at
    from held
    union all
    select
        touchpoint,
        campaign,
        spent_on,
        currency,
        -impressions as impressions,
        -clicks as clicks,
        -cost as cost,
        replaced_known_at as known_at
    from held
    where replaced_known_at is not null

),

final as (

    select
        touchpoint,
        campaign,
        spent_on,
        currency,
        known_at,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(cost) as cost
    from changes
    group by touchpoint, campaign, spent_on, currency, known_at

)

select * from final

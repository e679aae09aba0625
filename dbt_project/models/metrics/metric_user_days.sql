-- Grain: unified_user_id, ds.
-- The users of each day that is kept, with the tier and the expected value of that day.
-- Counts of users do not add up over days: a period has those of its last day.
with

snapshots as (

    select
        unified_user_id,
        ds,
        gender,
        age_band,
        region,
        device_band,
        consent_profiling,
        consent_marketing,
        active_days_7d,
        active_days_30d,
        active_days_90d,
        active_days_prior_90d,
        order_count_365d,
        net_amount_365d
    from {{ source("features", "feat_users") }}

),

tiers as (

    select
        unified_user_id,
        ds,
        tier,
        lifecycle
    from {{ source("segments", "user_tiers") }}

),

lifetime_values as (

    select
        unified_user_id,
        ds,
        value as clv_365d
    from {{ source("segments", "scores") }}
    where score_name = 'clv_365d'

),

final as (

    select
        snapshots.unified_user_id,
        snapshots.ds,
        snapshots.gender,
        snapshots.age_band,
        snapshots.region,
        snapshots.device_band,
        snapshots.consent_profiling,
        snapshots.consent_marketing,
        tiers.tier,
        tiers.lifecycle,
        snapshots.active_days_7d,
        snapshots.active_days_30d,
        snapshots.active_days_90d,
        snapshots.active_days_prior_90d,
        snapshots.order_count_365d,
        snapshots.net_amount_365d,
        lifetime_values.clv_365d
    from snapshots
    left join tiers
        on
            snapshots.unified_user_id = tiers.unified_user_id
            and snapshots.ds = tiers.ds
    left join lifetime_values
        on
            snapshots.unified_user_id = lifetime_values.unified_user_id
            and snapshots.ds = lifetime_values.ds

)

select * from final

-- Grain: unified_user_id.
-- Today's users as metrics group by them: who they are, their tier, and when they came
-- and first bought.
with

users as (

    select
        unified_user_id,
        first_seen_on,
        registered_on,
        gender,
        age_band,
        region,
        city,
        device_band,
        has_crm_record,
        consent_profiling,
        consent_marketing
    from {{ source("marts", "dim_users") }}
    where is_current

),

snapshots as (

    select
        unified_user_id,
        first_order_on
    from {{ source("features", "feat_users") }}
    where
        ds = (
            select max(newest.ds)
            from {{ source("features", "feat_users") }} as newest
        )

),

tiers as (

    select
        unified_user_id,
        tier,
        lifecycle
    from {{ source("segments", "user_tiers") }}
    where
        ds = (
            select max(newest.ds)
            from {{ source("segments", "user_tiers") }} as newest
        )

),

final as (

    select
        users.unified_user_id,
        users.first_seen_on,
        users.registered_on,
        snapshots.first_order_on,
        users.gender,
        users.age_band,
        users.region,
        users.city,
        users.device_band,
        users.has_crm_record,
        users.consent_profiling,
        users.consent_marketing,
        tiers.tier,
        tiers.lifecycle
    from users
    left join snapshots on users.unified_user_id = snapshots.unified_user_id
    left join tiers on users.unified_user_id = tiers.unified_user_id

)

select * from final

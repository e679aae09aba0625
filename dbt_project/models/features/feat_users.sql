-- Grain: ds, unified_user_id.
-- The snapshot of a user that scores, tiers and analysts read: every family side by
-- side, each feature in the type that config/features.yml promises.
with

profile as (

    select
        ds,
        unified_user_id,
        {{ feature_columns("profile") }}
    from {{ ref("feat_profile") }}

),

activity as (

    select
        ds,
        unified_user_id,
        {{ feature_columns("activity") }}
    from {{ ref("feat_activity") }}

),

consumption as (

    select
        ds,
        unified_user_id,
        {{ feature_columns("consumption") }}
    from {{ ref("feat_consumption") }}

),

social as (

    select
        ds,
        unified_user_id,
        {{ feature_columns("social") }}
    from {{ ref("feat_social") }}

),

preference as (

    select
        ds,
        unified_user_id,
        {{ feature_columns("preference") }}
    from {{ ref("feat_preference") }}

),

marketing as (

    select
        ds,
        unified_user_id,
        {{ feature_columns("marketing") }}
    from {{ ref("feat_marketing") }}

),

final as (

    select
        profile.unified_user_id,
        profile.ds,
        {{ all_feature_columns() }},
        {{ run_id() }} as _run_id
    from profile
    inner join activity
        on
            profile.ds = activity.ds
            and profile.unified_user_id = activity.unified_user_id
    inner join consumption
        on
            profile.ds = consumption.ds
            and profile.unified_user_id = consumption.unified_user_id
    inner join social
        on
            profile.ds = social.ds
            and profile.unified_user_id = social.unified_user_id
    inner join preference
        on
            profile.ds = preference.ds
            and profile.unified_user_id = preference.unified_user_id
    inner join marketing
        on
            profile.ds = marketing.ds
            and profile.unified_user_id = marketing.unified_user_id

)

select * from final

-- Grain: ds, unified_user_id.
-- How much the user does, and in which rhythm. An active day has an event or a counted
-- order; reading a message is an event, being sent one is not.
{{ config(materialized="ephemeral") }}

with

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

days as (

    select
        ds,
        unified_user_id,
        activity_on,
        days_ago,
        {{ measured_columns("activity") }}
    from {{ ref("int_user_days_summed") }}

),

windowed as (

    select
        users.ds,
        users.unified_user_id,
        {{ windowed_measures("activity", "days") }}
    from users
    left join days
        on
            users.ds = days.ds
            and users.unified_user_id = days.unified_user_id
    group by users.ds, users.unified_user_id

),

active_days as (

    select distinct
        ds,
        unified_user_id,
        activity_on,
        days_ago
    from days
    where activity_count > 0

),

gaps as (

    select
        ds,
        unified_user_id,
        activity_on,
        days_ago,
        lag(days_ago) over (
            partition by ds, unified_user_id
            order by activity_on
        ) - days_ago as gap_days
    from active_days

),

rhythms as (

    select
        ds,
        unified_user_id,
        max(activity_on) as last_active_on,
        min(days_ago) as days_since_active,
        {{ count_where("days_ago between 90 and 179") }} as active_days_prior_90d,
        case when count(*) >= 3 then {{ median("gap_days") }} end as median_gap_days
    from gaps
    group by ds, unified_user_id

),

final as (

    select
        windowed.ds,
        windowed.unified_user_id,
        rhythms.last_active_on,
        rhythms.days_since_active,
        coalesce(rhythms.active_days_prior_90d, 0) as active_days_prior_90d,
        rhythms.median_gap_days,
        {{ measured_features("activity", "windowed") }}
    from windowed
    left join rhythms
        on
            windowed.ds = rhythms.ds
            and windowed.unified_user_id = rhythms.unified_user_id

)

select * from final

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

windows as (

    select * from {{ ref("int_user_windows_summed") }}

),

days as (

    select
        ds,
        unified_user_id,
        activity_on,
        days_ago,
        activity_count
    from {{ ref("int_user_days_summed") }}
    where activity_count > 0

),

user_days as (

    select
        ds,
        unified_user_id,
        activity_on,
        days_ago,
        {{ most_of_a_day("activity") }}
    from days
    group by ds, unified_user_id, activity_on, days_ago

),

windowed as (

    select
        windows.ds,
        windows.unified_user_id,
        {{ summed_windows("activity", "windows") }}
    from windows
    group by windows.ds, windows.unified_user_id

),

counted as (

    select
        user_days.ds,
        user_days.unified_user_id,
        {{ counted_days("activity", "user_days") }}
    from user_days
    group by user_days.ds, user_days.unified_user_id

),

rhythms as (

    select
        ds,
        unified_user_id,
        max(activity_on) as last_active_on,
        min(days_ago) as days_since_active,
        {{ count_where("days_ago between 90 and 179") }} as active_days_prior_90d,
        count(*) as day_count,
        {{ sorted_numbers("days_ago") }} as all_days_ago
    from user_days
    group by ds, unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        rhythms.last_active_on,
        rhythms.days_since_active,
        coalesce(rhythms.active_days_prior_90d, 0) as active_days_prior_90d,
        case
            when rhythms.day_count >= 3
                then {{ median_gap("rhythms.all_days_ago") }}
        end as median_gap_days,
        {{ measured_features("activity", "windowed", "counted") }}
    from users
    left join windowed
        on
            users.ds = windowed.ds
            and users.unified_user_id = windowed.unified_user_id
    left join counted
        on
            users.ds = counted.ds
            and users.unified_user_id = counted.unified_user_id
    left join rhythms
        on
            users.ds = rhythms.ds
            and users.unified_user_id = rhythms.unified_user_id

)

select * from final

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

stretches as (

    select
        ds,
        unified_user_id,
        stretch_no,
        {{ marks_of_days("activity") }}
    from {{ ref("int_user_days_marked") }}
    group by ds, unified_user_id, stretch_no

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
        ds,
        unified_user_id,
        {{ counted_days("activity") }},
        {{ newest_mark("activity_count_marks") }} as days_since_active,
        {{ count_marks("activity_count_marks", 180) }}
        - {{ count_marks("activity_count_marks", 90) }} as active_days_prior_90d,
        {{ count_marks("activity_count_marks") }} as day_count,
        {{ sorted_marks("activity_count_marks") }} as all_days_ago
    from stretches
    group by ds, unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        {{ date_add_days("users.ds", "-counted.days_since_active") }}
            as last_active_on,
        counted.days_since_active,
        coalesce(counted.active_days_prior_90d, 0) as active_days_prior_90d,
        case
            when counted.day_count >= 3
                then {{ median_gap("counted.all_days_ago") }}
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

)

select * from final

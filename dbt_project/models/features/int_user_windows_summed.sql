-- Grain: ds, unified_user_id, channel_group, window_no.
-- What happened is added up between the ends of one window and the next, so that each
-- fact is read once however many windows a measure has: a window is the sum of the rows
-- up to its own number. What is older than the longest window comes last.
with

run_dates as (

    select ds
    from {{ source("ops", "run_dates") }}

),

parts as (

    select
        run_dates.ds,
        parts.*,
        {{ date_diff_days("parts.activity_on", "run_dates.ds") }} as days_ago
    from {{ ref("int_user_days_gathered") }} as parts
    inner join run_dates
        on
            parts.first_ds <= run_dates.ds
            and parts.last_ds >= run_dates.ds

),

final as (

    select
        ds,
        unified_user_id,
        channel_group,
        {{ window_no("days_ago") }} as window_no,
        {{ added_daily_columns() }},
        sum(case when {{ is_weekend("activity_on") }} then activity_count else 0 end)
            as weekend_activity_count
    from parts
    group by ds, unified_user_id, channel_group, {{ window_no("days_ago") }}

)

select * from final

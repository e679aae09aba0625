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

days as (

    select
        *,
        {{ window_no("days_ago") }} as window_no
    from {{ ref("int_user_days_summed") }}

),

counted as (

    select
        days.ds,
        days.unified_user_id,
        days.channel_group,
        days.window_no,
        {{ counted_channel_days("days") }}
    from days
    group by days.ds, days.unified_user_id, days.channel_group, days.window_no

),

summed as (

    select
        ds,
        unified_user_id,
        channel_group,
        {{ window_no("days_ago") }} as window_no,
        {{ summed_daily_columns() }}
    from parts
    group by ds, unified_user_id, channel_group, {{ window_no("days_ago") }}

),

final as (

    select
        summed.*,
        {{ channel_day_counts("counted") }}
    from summed
    inner join counted
        on
            summed.ds = counted.ds
            and summed.unified_user_id = counted.unified_user_id
            and summed.channel_group = counted.channel_group
            and summed.window_no = counted.window_no

)

select * from final

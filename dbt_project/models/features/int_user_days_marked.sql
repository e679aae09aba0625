-- Grain: ds, unified_user_id, channel_group, stretch_no.
-- On which days something was done: what is asked of a day itself, and not of a window.
-- A stretch is 60 days, the first ends with ds; macros/cross_engine/marks.sql reads it.
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
        {{ stretch_no("days_ago") }} as stretch_no,
        {{ marked_columns() }},
        {{ marked_days(
            "chat_count + article_read_count + group_join_count > 0", "days_ago"
        ) }} as private_domain_marks
    from parts
    where activity_count > 0
    group by ds, unified_user_id, channel_group, {{ stretch_no("days_ago") }}

)

select * from final

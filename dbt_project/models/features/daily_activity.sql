-- Grain: unified_user_id, activity_on, channel_group; up to the newest ds.
-- The daily measures that windows are made of, for charts and for looking closer.
with

parts as (

    select *
    from {{ ref("int_user_days_gathered") }}
    where first_ds <= {{ newest_day() }} and last_ds >= {{ newest_day() }}

),

final as (

    select
        unified_user_id,
        activity_on,
        channel_group,
        max(currency) as currency,
        {{ summed_daily_columns() }},
        {{ run_id() }} as _run_id
    from parts
    group by unified_user_id, activity_on, channel_group

)

select * from final

-- Grain: ds, unified_user_id, channel_group, window_no.
-- Days are added up between the ends of one window and the next, so that each of them
-- is read once however many windows a measure has: a window is the sum of the rows up
-- to its own number. Days older than the longest window come last.
with

days as (

    select
        ds,
        unified_user_id,
        channel_group,
        {{ window_no("days_ago") }} as window_no,
        {{ daily_columns() }}
    from {{ ref("int_user_days_summed") }}

),

final as (

    select
        days.ds,
        days.unified_user_id,
        days.channel_group,
        days.window_no,
        {{ counted_channel_days("days") }},
        {{ summed_typed_daily_columns("days") }}
    from days
    group by days.ds, days.unified_user_id, days.channel_group, days.window_no

)

select * from final

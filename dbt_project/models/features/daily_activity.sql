-- Grain: unified_user_id, activity_on, channel_group; up to the newest ds.
-- The daily measures that windows are made of, for charts and for looking closer.
with

user_days as (

    select
        ds,
        unified_user_id,
        activity_on,
        channel_group,
        currency,
        {{ daily_columns() }}
    from {{ ref("int_user_days_summed") }}

),

final as (

    select
        user_days.unified_user_id,
        user_days.activity_on,
        user_days.channel_group,
        user_days.currency,
        {{ daily_columns("user_days") }},
        {{ run_id() }} as _run_id
    from user_days
    where user_days.ds = {{ newest_day() }}

)

select * from final

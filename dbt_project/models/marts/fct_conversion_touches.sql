-- Grain: order_id, touch_no; counted orders of the last 190 days (history_days).
-- The touches in the seven days before an order, in order, for attribution: an order
-- without any has one row, of touch_no 0. Users are those of the newest day; what was
-- known on an earlier day is what ordered_at and known_at leave of it.
with

newest as (

    select ds
    from {{ source("ops", "run_dates") }}
    where ds = {{ newest_day() }}

),

conversions as (

    select * from {{ ref("int_conversions_touched") }}

),

final as (

    select
        conversions.order_id,
        cast(conversions.touch_no as bigint) as touch_no,
        cast(conversions.path_length as bigint) as path_length,
        conversions.unified_user_id,
        conversions.ordered_at,
        conversions.ordered_on,
        conversions.order_touchpoint,
        cast(conversions.net_amount as decimal(18, 4)) as net_amount,
        conversions.currency,
        conversions.touch_id,
        conversions.channel_group,
        conversions.touchpoint,
        conversions.campaign,
        conversions.touched_at,
        conversions.known_at,
        conversions.is_opened,
        conversions.is_clicked,
        {{ run_id() }} as _run_id
    from conversions
    inner join newest on conversions.ds = newest.ds

)

select * from final

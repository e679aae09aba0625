-- Grain: ds, unified_user_id, activity_on, channel_group.
-- Everything that adds up, by day: windows are sums over these rows. It is kept for
-- each ds apart, since the same records may be other users on another ds.
with

records as (

    select
        ds,
        known_until,
        system,
        entity,
        record_key,
        unified_user_id
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null

),

record_days as (

    select * from {{ ref("int_event_days_counted") }}

),

orders as (

    select
        ds,
        unified_user_id,
        ordered_on,
        channel_group,
        is_night,
        is_counted,
        currency,
        gross_amount,
        discount_amount,
        refund_amount,
        net_amount,
        margin_amount,
        units
    from {{ ref("int_orders_resolved") }}

),

record_touches as (

    select * from {{ ref("int_touch_days_counted") }}

),

event_days as (

    select
        records.ds,
        records.unified_user_id,
        record_days.event_on as activity_on,
        record_days.system as channel_group,
        sum(record_days.event_count) as event_count,
        sum(record_days.session_count) as session_count,
        sum(record_days.night_event_count) as night_event_count,
        sum(record_days.dwell_seconds) as dwell_seconds,
        {{ summed_event_counts("record_days") }}
    from records
    inner join record_days
        on
            records.system = record_days.system
            and records.entity = record_days.entity
            and records.record_key = record_days.record_key
            and records.ds >= record_days.event_on
            and {{ is_known("record_days", "records") }}
    group by
        records.ds,
        records.unified_user_id,
        record_days.event_on,
        record_days.system

),

order_days as (

    select
        ds,
        unified_user_id,
        ordered_on as activity_on,
        channel_group,
        max(currency) as currency,
        {{ count_where("is_counted") }} as order_count,
        {{ count_where("is_counted and is_night") }} as night_order_count,
        sum(units) as units,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(refund_amount) as refund_amount,
        sum(net_amount) as net_amount,
        sum(case when margin_amount is not null then net_amount end)
            as costed_net_amount,
        sum(margin_amount) as margin_amount
    from orders
    group by ds, unified_user_id, ordered_on, channel_group

),

touch_days as (

    select
        records.ds,
        records.unified_user_id,
        record_touches.touched_on as activity_on,
        record_touches.system as channel_group,
        sum(record_touches.touch_count) as touch_count
    from records
    inner join record_touches
        on
            records.system = record_touches.system
            and records.entity = record_touches.entity
            and records.record_key = record_touches.record_key
            and records.ds >= record_touches.touched_on
            and {{ is_known("record_touches", "records") }}
    group by
        records.ds,
        records.unified_user_id,
        record_touches.touched_on,
        record_touches.system

),

user_days as (

    select
        ds,
        unified_user_id,
        activity_on,
        channel_group
    from event_days
    union
    select
        ds,
        unified_user_id,
        activity_on,
        channel_group
    from order_days
    union
    select
        ds,
        unified_user_id,
        activity_on,
        channel_group
    from touch_days

),

joined as (

    select
        user_days.ds,
        user_days.unified_user_id,
        user_days.activity_on,
        user_days.channel_group,
        order_days.currency,
        coalesce(event_days.event_count, 0) + coalesce(order_days.order_count, 0)
            as activity_count,
        event_days.event_count,
        event_days.session_count,
        event_days.dwell_seconds,
        coalesce(event_days.night_event_count, 0)
        + coalesce(order_days.night_order_count, 0) as night_activity_count,
        {{ event_count_columns("event_days") }},
        order_days.order_count,
        order_days.units,
        order_days.gross_amount,
        order_days.discount_amount,
        order_days.refund_amount,
        order_days.net_amount,
        order_days.costed_net_amount,
        order_days.margin_amount,
        touch_days.touch_count
    from user_days
    left join event_days
        on
            user_days.ds = event_days.ds
            and user_days.unified_user_id = event_days.unified_user_id
            and user_days.activity_on = event_days.activity_on
            and user_days.channel_group = event_days.channel_group
    left join order_days
        on
            user_days.ds = order_days.ds
            and user_days.unified_user_id = order_days.unified_user_id
            and user_days.activity_on = order_days.activity_on
            and user_days.channel_group = order_days.channel_group
    left join touch_days
        on
            user_days.ds = touch_days.ds
            and user_days.unified_user_id = touch_days.unified_user_id
            and user_days.activity_on = touch_days.activity_on
            and user_days.channel_group = touch_days.channel_group

),

final as (

    select
        ds,
        unified_user_id,
        activity_on,
        channel_group,
        currency,
        {{ date_diff_days("activity_on", "ds") }} as days_ago,
        {{ typed_daily_columns() }}
    from joined

)

select * from final

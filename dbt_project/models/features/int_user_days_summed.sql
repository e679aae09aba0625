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

-- What each side adds to a day; what a side does not count is null there.
parts as (

    select
        records.ds,
        records.unified_user_id,
        record_days.event_on as activity_on,
        record_days.system as channel_group,
        cast(null as {{ dbt.type_string() }}) as currency,
        record_days.event_count as activity_count,
        record_days.night_event_count as night_activity_count,
        record_days.event_count,
        record_days.session_count,
        record_days.dwell_seconds,
        {{ event_count_columns("record_days") }},
        cast(null as bigint) as order_count,
        cast(null as bigint) as units,
        {{ to_decimal("null") }} as gross_amount,
        {{ to_decimal("null") }} as discount_amount,
        {{ to_decimal("null") }} as refund_amount,
        {{ to_decimal("null") }} as net_amount,
        {{ to_decimal("null") }} as margin_amount,
        cast(null as bigint) as touch_count
    from records
    inner join record_days
        on
            records.system = record_days.system
            and records.entity = record_days.entity
            and records.record_key = record_days.record_key
            and records.ds >= record_days.event_on
            and {{ is_known("record_days", "records") }}
    union all
    select
        ds,
        unified_user_id,
        ordered_on as activity_on,
        channel_group,
        currency,
        case when is_counted then 1 else 0 end as activity_count,
        case when is_counted and is_night then 1 else 0 end as night_activity_count,
        null as event_count,
        null as session_count,
        null as dwell_seconds,
        {{ no_event_counts() }},
        case when is_counted then 1 else 0 end as order_count,
        units,
        gross_amount,
        discount_amount,
        refund_amount,
        net_amount,
        margin_amount,
        null as touch_count
    from orders
    union all
    select
        records.ds,
        records.unified_user_id,
        record_touches.touched_on as activity_on,
        record_touches.system as channel_group,
        null as currency,
        null as activity_count,
        null as night_activity_count,
        null as event_count,
        null as session_count,
        null as dwell_seconds,
        {{ no_event_counts() }},
        null as order_count,
        null as units,
        null as gross_amount,
        null as discount_amount,
        null as refund_amount,
        null as net_amount,
        null as margin_amount,
        record_touches.touch_count
    from records
    inner join record_touches
        on
            records.system = record_touches.system
            and records.entity = record_touches.entity
            and records.record_key = record_touches.record_key
            and records.ds >= record_touches.touched_on
            and {{ is_known("record_touches", "records") }}

),

summed as (

    select
        parts.ds,
        parts.unified_user_id,
        parts.activity_on,
        parts.channel_group,
        max(parts.currency) as currency,
        sum(parts.activity_count) as activity_count,
        sum(parts.night_activity_count) as night_activity_count,
        sum(parts.event_count) as event_count,
        sum(parts.session_count) as session_count,
        sum(parts.dwell_seconds) as dwell_seconds,
        {{ summed_event_counts("parts") }},
        sum(parts.order_count) as order_count,
        sum(parts.units) as units,
        sum(parts.gross_amount) as gross_amount,
        sum(parts.discount_amount) as discount_amount,
        sum(parts.refund_amount) as refund_amount,
        sum(parts.net_amount) as net_amount,
        sum(case when parts.margin_amount is not null then parts.net_amount end)
            as costed_net_amount,
        sum(parts.margin_amount) as margin_amount,
        sum(parts.touch_count) as touch_count
    from parts
    group by
        parts.ds,
        parts.unified_user_id,
        parts.activity_on,
        parts.channel_group

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
    from summed

)

select * from final

-- Grain: first_ds, unified_user_id, activity_on, channel_group; a row holds on every ds
-- from first_ds to last_ds.
-- Everything that adds up, by day. Of the days that are built together most know the
-- same of a day in the past: it is summed for all of them at once, and for each ds
-- apart only where a fact came meanwhile or a record was another user's.
with

run_dates as (

    select
        ds,
        known_until
    from {{ source("ops", "run_dates") }}

),

owners as (

    select
        system,
        entity,
        record_key,
        unified_user_id,
        min(ds) as first_ds,
        max(ds) as last_ds
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null
    group by
        system,
        entity,
        record_key,
        unified_user_id,
        effective_from,
        recorded_from

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

loads as (

    select known_at from record_days
    union distinct
    select known_at from record_touches

),

-- The first ds that knew what came at a time: later ones know no less.
arrivals as (

    select
        loads.known_at,
        min(run_dates.ds) as first_ds
    from loads
    inner join run_dates on {{ is_known("loads", "run_dates") }}
    group by loads.known_at

),

-- What each side adds to a day; what a side does not count is null there.
parts as (

    select
        owners.unified_user_id,
        greatest(owners.first_ds, arrivals.first_ds, record_days.event_on) as first_ds,
        owners.last_ds,
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
    from record_days
    inner join arrivals on record_days.known_at = arrivals.known_at
    inner join owners
        on
            record_days.system = owners.system
            and record_days.entity = owners.entity
            and record_days.record_key = owners.record_key
    union all
    select
        unified_user_id,
        ds as first_ds,
        ds as last_ds,
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
        owners.unified_user_id,
        greatest(
            owners.first_ds, arrivals.first_ds, record_touches.touched_on
        ) as first_ds,
        owners.last_ds,
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
    from record_touches
    inner join arrivals on record_touches.known_at = arrivals.known_at
    inner join owners
        on
            record_touches.system = owners.system
            and record_touches.entity = owners.entity
            and record_touches.record_key = owners.record_key

),

bounds as (

    select
        min(ds) as first_ds,
        max(ds) as last_ds
    from run_dates

),

compared as (

    select
        parts.*,
        max(parts.first_ds) over (
            partition by
                parts.unified_user_id, parts.activity_on, parts.channel_group
        ) > bounds.first_ds
        or min(parts.last_ds) over (
            partition by
                parts.unified_user_id, parts.activity_on, parts.channel_group
        ) < bounds.last_ds as is_apart
    from parts
    cross join bounds
    where parts.first_ds <= parts.last_ds

),

placed as (

    select
        compared.*,
        run_dates.ds
    from compared
    left join run_dates
        on
            compared.is_apart
            and compared.first_ds <= run_dates.ds
            and compared.last_ds >= run_dates.ds

),

summed as (

    select
        placed.ds,
        placed.unified_user_id,
        placed.activity_on,
        placed.channel_group,
        max(placed.currency) as currency,
        sum(placed.activity_count) as activity_count,
        sum(placed.night_activity_count) as night_activity_count,
        sum(placed.event_count) as event_count,
        sum(placed.session_count) as session_count,
        sum(placed.dwell_seconds) as dwell_seconds,
        {{ summed_event_counts("placed") }},
        sum(placed.order_count) as order_count,
        sum(placed.units) as units,
        sum(placed.gross_amount) as gross_amount,
        sum(placed.discount_amount) as discount_amount,
        sum(placed.refund_amount) as refund_amount,
        sum(placed.net_amount) as net_amount,
        sum(case when placed.margin_amount is not null then placed.net_amount end)
            as costed_net_amount,
        sum(placed.margin_amount) as margin_amount,
        sum(placed.touch_count) as touch_count
    from placed
    group by
        placed.ds,
        placed.unified_user_id,
        placed.activity_on,
        placed.channel_group

),

final as (

    select
        coalesce(summed.ds, bounds.first_ds) as first_ds,
        coalesce(summed.ds, bounds.last_ds) as last_ds,
        summed.unified_user_id,
        summed.activity_on,
        summed.channel_group,
        summed.currency,
        {{ typed_daily_columns() }}
    from summed
    cross join bounds

)

select * from final

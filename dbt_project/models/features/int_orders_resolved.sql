-- Grain: ds, order_id; orders of known users that moved money up to the end of ds, with
-- the lines that were known to it.
-- Says in one place which orders count: completed ones with a positive net amount.
-- Returns and refunds are documents of their own day that move money back and count as
-- no order. What was cancelled by the end of ds never moved any; what was cancelled
-- later did so far.
with

records as (

    select
        ds,
        ends_at,
        known_until,
        system,
        entity,
        record_key,
        unified_user_id
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null

),

tenant as (

    select max(timezone) as timezone
    from {{ source("ops", "run_dates") }}

),

orders as (

    select
        order_id,
        system,
        touchpoint,
        person_entity,
        person_key,
        ordered_at,
        cancelled_at,
        cancelled_known_at,
        head_known_at,
        currency
    from {{ source("staging", "orders") }}
    where person_key is not null and status in ('completed', 'cancelled')

),

amounts as (

    select * from {{ ref("int_order_amounts_summed") }}

),

localised as (

    select
        orders.order_id,
        orders.system,
        orders.touchpoint,
        orders.person_entity,
        orders.person_key,
        orders.ordered_at,
        orders.cancelled_at,
        orders.cancelled_known_at,
        orders.head_known_at,
        orders.currency,
        {{ local_timestamp("orders.ordered_at", "tenant.timezone") }}
            as ordered_local_at
    from orders
    cross join tenant

),

placed as (

    select
        records.ds,
        records.known_until,
        records.unified_user_id,
        localised.order_id,
        localised.system as channel_group,
        localised.touchpoint,
        localised.ordered_at,
        cast(localised.ordered_local_at as date) as ordered_on,
        {{ is_night("localised.ordered_local_at") }} as is_night,
        localised.currency
    from records
    inner join localised
        on
            records.system = localised.system
            and records.entity = localised.person_entity
            and records.record_key = localised.person_key
            and records.ends_at > localised.ordered_at
            and {{ is_known("localised", "records", "head_known_at") }}
    where
        localised.cancelled_at is null
        or localised.cancelled_at >= records.ends_at
        or localised.cancelled_known_at > records.known_until

),

summed as (

    select
        placed.ds,
        placed.unified_user_id,
        placed.order_id,
        placed.channel_group,
        placed.touchpoint,
        placed.ordered_at,
        placed.ordered_on,
        placed.is_night,
        placed.currency,
        sum(amounts.gross_amount) as gross_amount,
        sum(amounts.discount_amount) as discount_amount,
        sum(amounts.refund_amount) as refund_amount,
        sum(amounts.net_amount) as net_amount,
        case
            when sum(amounts.line_count) = sum(amounts.costed_line_count)
                then sum(amounts.margin_amount)
        end as margin_amount,
        sum(amounts.units) as units,
        sum(amounts.line_count) = sum(amounts.returned_line_count) as is_return
    from placed
    left join amounts
        on
            placed.order_id = amounts.order_id
            and {{ is_known("amounts", "placed") }}
    group by
        placed.ds,
        placed.unified_user_id,
        placed.order_id,
        placed.channel_group,
        placed.touchpoint,
        placed.ordered_at,
        placed.ordered_on,
        placed.is_night,
        placed.currency

),

final as (

    select
        ds,
        unified_user_id,
        order_id,
        channel_group,
        touchpoint,
        ordered_at,
        ordered_on,
        is_night,
        coalesce(not is_return and net_amount > 0, false) as is_counted,
        currency,
        {{ to_decimal("coalesce(gross_amount, 0)") }} as gross_amount,
        {{ to_decimal("coalesce(discount_amount, 0)") }} as discount_amount,
        {{ to_decimal("coalesce(refund_amount, 0)") }} as refund_amount,
        {{ to_decimal("coalesce(net_amount, 0)") }} as net_amount,
        {{ to_decimal("margin_amount") }} as margin_amount,
        cast(coalesce(units, 0) as bigint) as units
    from summed

)

select * from final

-- Grain: ds, order_id; orders of known users that moved money up to the end of ds.
-- Says in one place which orders count: completed ones with a positive net amount.
-- Returns and refunds are documents of their own day that move money back and count as
-- no order. What was cancelled by the end of ds never moved any; what was cancelled
-- later did so far.
with

records as (

    select
        ds,
        ends_at,
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
        person_entity,
        person_key,
        ordered_at,
        cancelled_at,
        is_return,
        currency,
        gross_amount,
        discount_amount,
        refund_amount,
        net_amount,
        margin_amount,
        units
    from {{ source("staging", "orders") }}
    where person_key is not null and status in ('completed', 'cancelled')

),

localised as (

    select
        orders.order_id,
        orders.system,
        orders.person_entity,
        orders.person_key,
        orders.ordered_at,
        orders.cancelled_at,
        orders.is_return,
        orders.currency,
        orders.gross_amount,
        orders.discount_amount,
        orders.refund_amount,
        orders.net_amount,
        orders.margin_amount,
        orders.units,
        {{ local_timestamp("orders.ordered_at", "tenant.timezone") }}
            as ordered_local_at
    from orders
    cross join tenant

),

final as (

    select
        records.ds,
        records.unified_user_id,
        localised.order_id,
        localised.system as channel_group,
        cast(localised.ordered_local_at as date) as ordered_on,
        {{ is_night("localised.ordered_local_at") }} as is_night,
        not localised.is_return and localised.net_amount > 0 as is_counted,
        localised.currency,
        localised.gross_amount,
        localised.discount_amount,
        localised.refund_amount,
        localised.net_amount,
        localised.margin_amount,
        localised.units
    from records
    inner join localised
        on
            records.system = localised.system
            and records.entity = localised.person_entity
            and records.record_key = localised.person_key
            and records.ends_at > localised.ordered_at
    where localised.cancelled_at is null or localised.cancelled_at >= records.ends_at

)

select * from final

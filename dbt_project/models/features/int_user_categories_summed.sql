-- Grain: ds, unified_user_id, category; the last 365 days, lines bought and events.
-- Postage, fees and vouchers are lines of an order, but nobody's taste.
with

orders as (

    select
        ds,
        unified_user_id,
        order_id,
        ordered_on
    from {{ ref("int_orders_resolved") }}
    where is_counted and ordered_on > {{ date_add_days("ds", -365) }}

),

order_lines as (

    select
        order_id,
        category,
        net_amount
    from {{ source("staging", "order_lines") }}
    where category is not null and category <> 'non_product' and net_amount > 0

),

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

events as (

    select
        events.system,
        events.person_entity,
        events.person_key,
        events.category,
        events.event_at,
        {{ local_date("events.event_at", "tenant.timezone") }} as event_on
    from {{ source("staging", "events") }} as events
    cross join tenant
    where events.person_key is not null and events.category is not null

),

bought as (

    select
        orders.ds,
        orders.unified_user_id,
        order_lines.category,
        count(*) as line_count,
        sum(order_lines.net_amount) as net_amount
    from orders
    inner join order_lines on orders.order_id = order_lines.order_id
    group by orders.ds, orders.unified_user_id, order_lines.category

),

seen as (

    select
        records.ds,
        records.unified_user_id,
        events.category,
        count(*) as event_count
    from records
    inner join events
        on
            records.system = events.system
            and records.entity = events.person_entity
            and records.record_key = events.person_key
            and records.ends_at > events.event_at
    where events.event_on > {{ date_add_days("records.ds", -365) }}
    group by records.ds, records.unified_user_id, events.category

),

final as (

    select
        coalesce(bought.ds, seen.ds) as ds,
        coalesce(bought.unified_user_id, seen.unified_user_id) as unified_user_id,
        coalesce(bought.category, seen.category) as category,
        coalesce(bought.line_count, 0) as line_count,
        coalesce(bought.net_amount, 0) as net_amount,
        coalesce(seen.event_count, 0) as event_count
    from bought
    full outer join seen
        on
            bought.ds = seen.ds
            and bought.unified_user_id = seen.unified_user_id
            and bought.category = seen.category

)

select * from final

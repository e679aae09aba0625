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

events as (

    select
        ds,
        unified_user_id,
        category
    from {{ ref("int_events_sessionised") }}
    where category is not null and event_on > {{ date_add_days("ds", -365) }}

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
        ds,
        unified_user_id,
        category,
        count(*) as event_count
    from events
    group by ds, unified_user_id, category

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

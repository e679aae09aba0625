-- Grain: order_id, line_no.
-- What was bought up to the end of the newest ds, with the user of the document. Lines
-- whose document has not arrived have no time yet and wait for it.
with

order_lines as (

    select
        order_id,
        line_no,
        sku,
        category,
        quantity,
        is_return,
        unit_price,
        discount_amount,
        refund_amount,
        net_amount,
        margin_amount,
        known_at
    from {{ source("staging", "order_lines") }}

),

orders as (

    select
        order_id,
        unified_user_id,
        system,
        touchpoint,
        ordered_at,
        ordered_on,
        status,
        currency
    from {{ ref("fct_orders") }}

),

final as (

    select
        order_lines.order_id,
        order_lines.line_no,
        orders.unified_user_id,
        orders.system,
        orders.touchpoint,
        orders.ordered_at,
        orders.ordered_on,
        order_lines.known_at,
        orders.status,
        order_lines.is_return,
        order_lines.sku,
        order_lines.category,
        cast(order_lines.quantity as bigint) as quantity,
        orders.currency,
        cast(order_lines.unit_price as decimal(18, 4)) as unit_price,
        cast(order_lines.discount_amount as decimal(18, 4)) as discount_amount,
        cast(order_lines.refund_amount as decimal(18, 4)) as refund_amount,
        cast(order_lines.net_amount as decimal(18, 4)) as net_amount,
        cast(order_lines.margin_amount as decimal(18, 4)) as margin_amount,
        {{ run_id() }} as _run_id
    from order_lines
    inner join orders on order_lines.order_id = orders.order_id

)

select * from final

-- Grain: document and line number; documents as in store__orders.
{{ config(materialized="ephemeral") }}

with

orders as (

    select * from {{ ref("stg_store__orders") }}

),

lines as (

    select * from {{ ref("stg_store__order_lines") }}

),

refunds as (

    select * from {{ ref("stg_store__refunds") }}

),

invoices as (

    select * from {{ ref("stg_store__invoices") }}

),

costed_orders as (

    select
        order_id,
        count(*) = count(unit_cost) as has_all_costs
    from lines
    group by order_id

),

placed_lines as (

    select
        'store:order:' || lines.order_id as order_id,
        lines.line_no,
        lines.sku,
        lines.category,
        lines.quantity,
        lines.unit_price,
        {{ sale_line_amounts(
            "lines.quantity", "lines.unit_price", "lines.discount", "lines.unit_cost"
        ) }},
        orders.placed_at as ordered_at,
        orders.currency,
        lines._first_known_at as known_at
    from lines
    left join orders on lines.order_id = orders.order_id

),

-- Money went back, goods did not: no quantity, and no cost is recovered.
refund_lines as (

    select
        'store:refund:' || refunds.refund_id as order_id,
        coalesce(refunds.line_no, 1) as line_no,
        lines.sku,
        lines.category,
        0 as quantity,
        lines.unit_price,
        {{ to_decimal("0") }} as discount_amount,
        refunds.amount as refund_amount,
        {{ to_decimal("-refunds.amount") }} as net_amount,
        case
            when costed_orders.has_all_costs then {{ to_decimal("-refunds.amount") }}
        end as margin_amount,
        true as is_return,
        refunds.refunded_at as ordered_at,
        orders.currency,
        refunds._first_known_at as known_at
    from refunds
    left join orders on refunds.order_id = orders.order_id
    left join lines
        on refunds.order_id = lines.order_id and refunds.line_no = lines.line_no
    left join costed_orders on refunds.order_id = costed_orders.order_id

),

numbered_invoices as (

    select
        'store:inv:' || invoice as order_id,
        row_number() over (
            partition by invoice
            order by stock_code, quantity, price, invoiced_at, _occurrence
        ) as line_no,
        upper(stock_code) as sku,
        quantity,
        price,
        coalesce(invoice like 'C%' or quantity < 0, false) as is_return,
        min(invoiced_at) over (partition by invoice) as ordered_at,
        _first_known_at
    from invoices

),

-- Postage, fees, vouchers and corrections are booked as lines. They are kept, and count
-- in the amounts as in the published analyses of this data, under a category that tells
-- them apart; the category of goods is not known.
invoice_lines as (

    select
        order_id,
        line_no,
        sku,
        case when {{ is_non_product("sku") }} then 'non_product' end as category,
        quantity,
        price as unit_price,
        {{ to_decimal("0") }} as discount_amount,
        {{ to_decimal("case when is_return then -quantity * price else 0 end") }}
            as refund_amount,
        {{ to_decimal("quantity * price") }} as net_amount,
        {{ to_decimal("null") }} as margin_amount,
        is_return,
        ordered_at,
        'GBP' as currency,
        _first_known_at as known_at
    from numbered_invoices

),

final as (

    select * from placed_lines
    union all
    select * from refund_lines
    union all
    select * from invoice_lines

)

select * from final

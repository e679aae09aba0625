-- Grain: receipt and line number.
{{ config(materialized="ephemeral") }}

with

receipts as (

    select * from {{ ref("stg_pos__receipts") }}

),

lines as (

    select * from {{ ref("stg_pos__receipt_lines") }}

),

final as (

    select
        'pos:' || lines.receipt_id as order_id,
        lines.line_no,
        lines.sku,
        lines.category,
        lines.quantity,
        lines.unit_price,
        {{ sale_line_amounts(
            "lines.quantity", "lines.unit_price", "lines.discount", "lines.unit_cost"
        ) }},
        receipts.sold_at as ordered_at,
        receipts.currency,
        lines._first_known_at as known_at
    from lines
    left join receipts on lines.receipt_id = receipts.receipt_id

)

select * from final

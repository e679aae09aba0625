-- Grain: one row a document (order, receipt, invoice, refund) and line number, of all
-- systems.
{{ config(meta={"publish": "replace"}) }}

with

order_lines as (

    {{ union_shapes("order_lines", [
        "order_id",
        "line_no",
        "sku",
        "category",
        "quantity",
        "unit_price",
        "discount_amount",
        "refund_amount",
        "net_amount",
        "margin_amount",
        "is_return",
        "ordered_at",
        "currency",
        "known_at",
    ]) }}

),

final as (

    select
        order_id,
        line_no,
        sku,
        category,
        quantity,
        unit_price,
        discount_amount,
        refund_amount,
        net_amount,
        margin_amount,
        ordered_at,
        system,
        currency,
        is_return,
        known_at,
        {{ run_id() }} as _run_id
    from order_lines

)

select * from final

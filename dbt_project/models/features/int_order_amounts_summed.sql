-- Grain: order_id, known_at.
-- What the lines of an order add up to, by when they were known: a line that comes a
-- day after the others is no part of the order before.
{{ config(tags=["any_day"]) }}
with

order_lines as (

    select
        order_id,
        known_at,
        quantity,
        discount_amount,
        refund_amount,
        net_amount,
        margin_amount,
        is_return
    from {{ source("staging", "order_lines") }}

),

final as (

    select
        order_id,
        known_at,
        sum(net_amount + discount_amount + refund_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(refund_amount) as refund_amount,
        sum(net_amount) as net_amount,
        sum(margin_amount) as margin_amount,
        sum(quantity) as units,
        count(*) as line_count,
        count(margin_amount) as costed_line_count,
        {{ count_where("is_return") }} as returned_line_count
    from order_lines
    group by order_id, known_at

)

select * from final

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
        {{ summed_line_amounts() }},
        sum(margin_amount) as margin_amount,
        count(margin_amount) as costed_line_count,
        {{ count_where("is_return") }} as returned_line_count
    from order_lines
    group by order_id, known_at

)

select * from final

-- Grain: one row a document: what its lines add up to. The margin is unknown as soon as
-- one line's is, and the document is a return where every line gives money back.
{{ config(materialized="ephemeral") }}

with

order_lines as (

    select * from {{ ref("order_lines") }}

),

final as (

    select
        order_id,
        sum(net_amount + discount_amount + refund_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(refund_amount) as refund_amount,
        sum(net_amount) as net_amount,
        case when count(*) = count(margin_amount) then sum(margin_amount) end
            as margin_amount,
        sum(quantity) as units,
        count(*) as line_count,
        bool_and(is_return) as is_return,
        max(known_at) as known_at
    from order_lines
    group by order_id

)

select * from final

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
        {{ summed_line_amounts() }},
        case when count(*) = count(margin_amount) then sum(margin_amount) end
            as margin_amount,
        bool_and(is_return) as is_return,
        max(known_at) as known_at
    from order_lines
    group by order_id

)

select * from final

-- Grain: one row a receipt. Without card and phone it is anonymous.
{{ config(materialized="ephemeral") }}

with

receipts as (

    select * from {{ ref("stg_pos__receipts") }}

),

final as (

    select
        'pos:' || receipt_id as order_id,
        cast(null as {{ dbt.type_string() }}) as original_order_id,
        touchpoint,
        case
            when coalesce(member_no, phone) is not null then 'receipts'
        end as person_entity,
        case when coalesce(member_no, phone) is not null then receipt_id end
            as person_key,
        sold_at as ordered_at,
        _first_known_at as known_at,
        'completed' as status,
        cast(null as timestamp) as cancelled_at,
        cast(null as timestamp) as cancelled_known_at,
        currency,
        cast(null as {{ dbt.type_string() }}) as campaign
    from receipts

)

select * from final

-- Grain: one row an order, a refund or an invoice.
-- A refund is a document of its own, at the time when it happened, so that the order it
-- belongs to keeps the amounts of its day. One of a cancelled order is cancelled with
-- it, at the same moment: neither counts from then on. A cancellation is final, for an
-- order that came back to life would change the days between.
{{ config(materialized="ephemeral") }}

with

orders as (

    select * from {{ ref("stg_store__orders") }}

),

refunds as (

    select * from {{ ref("stg_store__refunds") }}

),

invoices as (

    select * from {{ ref("stg_store__invoices") }}

),

placed as (

    select
        'store:order:' || order_id as order_id,
        cast(null as {{ dbt.type_string() }}) as original_order_id,
        touchpoint,
        case when buyer_id is not null then 'buyers' end as person_entity,
        buyer_id as person_key,
        placed_at as ordered_at,
        _first_known_at as known_at,
        case
            when cancelled_at is not null then 'cancelled'
            when status in ('paid', 'completed') then 'completed'
        end as status,
        cancelled_at,
        cancelled_known_at,
        currency,
        campaign
    from orders

),

refunded as (

    select
        'store:refund:' || refunds.refund_id as order_id,
        'store:order:' || refunds.order_id as original_order_id,
        placed.touchpoint,
        placed.person_entity,
        placed.person_key,
        refunds.refunded_at as ordered_at,
        -- whose it is tells the order alone
        greatest(
            refunds._first_known_at, coalesce(placed.known_at, refunds._first_known_at)
        ) as known_at,
        coalesce(placed.status, 'completed') as status,
        placed.cancelled_at,
        placed.cancelled_known_at,
        placed.currency,
        placed.campaign
    from refunds
    left join placed on placed.order_id = 'store:order:' || refunds.order_id

),

invoiced as (

    select
        'store:inv:' || invoice as order_id,
        cast(null as {{ dbt.type_string() }}) as original_order_id,
        'web_store' as touchpoint,
        case when max(customer_id) is not null then 'customers' end as person_entity,
        max(customer_id) as person_key,
        min(invoiced_at) as ordered_at,
        max(_first_known_at) as known_at,
        'completed' as status,
        cast(null as timestamp) as cancelled_at,
        cast(null as timestamp) as cancelled_known_at,
        'GBP' as currency,
        cast(null as {{ dbt.type_string() }}) as campaign
    from invoices
    group by invoice

),

final as (

    select * from placed
    union all
    select * from refunded
    union all
    select * from invoiced

)

select * from final

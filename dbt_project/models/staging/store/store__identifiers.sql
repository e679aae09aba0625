-- Grain: record, identifier type and value. Buyers are known by their account and the
-- contacts of their orders; customers of the flat export by their number alone.
{{ config(materialized="ephemeral") }}

with

orders as (

    select * from {{ ref("stg_store__orders") }}

),

invoices as (

    select * from {{ ref("stg_store__invoices") }}

),

known_orders as (

    select
        buyer_id,
        phone,
        email,
        coalesce(placed_at, _first_known_at) as placed_at
    from orders
    where buyer_id is not null

),

customers as (

    select
        customer_id,
        min(invoiced_at) as first_invoiced_at,
        max(invoiced_at) as last_invoiced_at
    from invoices
    where customer_id is not null
    group by customer_id

),

final as (

    {{ identifiers_of(
        "known_orders",
        entity="buyers",
        record_key="buyer_id",
        own={"store_account": "buyer_id"},
        shown={"phone": "phone", "email": "email"},
        first_seen_at="placed_at",
        last_seen_at="placed_at",
    ) }}
    union all
    {{ identifiers_of(
        "customers",
        entity="customers",
        record_key="customer_id",
        own={"customer_no": "customer_id"},
        first_seen_at="first_invoiced_at",
        last_seen_at="last_invoiced_at",
    ) }}

)

select * from final

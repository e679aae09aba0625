-- Grain: version of an order, or day of invoices, identifier type and value. Buyers are
-- known by their account, their orders and the contacts of these, whose phone and name
-- are the receiver's and not always their own; customers of the flat export by their
-- number alone.
{{ config(materialized="ephemeral") }}

with

versions as (

    select * from {{ ref("int_store__order_versions") }}

),

invoices as (

    select * from {{ ref("stg_store__invoices") }}

),

known_orders as (

    select
        buyer_id,
        order_id,
        phone,
        email,
        receiver,
        coalesce(placed_at, _known_at) as placed_at,
        _known_at
    from versions
    where buyer_id is not null

),

customers as (

    select
        customer_id,
        _first_known_at,
        min(invoiced_at) as first_invoiced_at,
        max(invoiced_at) as last_invoiced_at
    from invoices
    where customer_id is not null
    group by customer_id, _first_known_at

),

final as (

    {{ identifiers_of(
        "known_orders",
        entity="buyers",
        record_key="buyer_id",
        own={"store_account": "buyer_id"},
        shown={
            "order_contact": "phone",
            "email": "email",
            "purchase_id": "order_id",
            "name": "receiver",
        },
        first_seen_at="placed_at",
        last_seen_at="placed_at",
        known_at="_known_at",
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

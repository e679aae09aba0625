-- Grain: one row a buyer, as on the newest order, or a customer of the flat export, of
-- whom only the country is known.
{{ config(materialized="ephemeral") }}

with

orders as (

    select * from {{ ref("stg_store__orders") }}

),

invoices as (

    select * from {{ ref("stg_store__invoices") }}

),

ranked_orders as (

    select
        buyer_id,
        receiver,
        city,
        phone,
        email,
        min(placed_at) over (partition by buyer_id) as first_placed_at,
        min(_first_known_at) over (partition by buyer_id) as first_known_at,
        row_number() over (
            partition by buyer_id order by placed_at desc nulls last, order_id desc
        ) as place
    from orders
    where buyer_id is not null

),

customer_countries as (

    select
        customer_id,
        country,
        max(invoiced_at) as last_invoiced_at,
        min(invoiced_at) as first_invoiced_at,
        min(_first_known_at) as first_known_at
    from invoices
    where customer_id is not null
    group by customer_id, country

),

ranked_countries as (

    select
        customer_id,
        country,
        min(first_invoiced_at) over (partition by customer_id) as first_invoiced_at,
        min(first_known_at) over (partition by customer_id) as first_known_at,
        row_number() over (
            partition by customer_id
            order by last_invoiced_at desc nulls last, country asc nulls last
        ) as place
    from customer_countries

),

final as (

    select
        'buyers' as entity,
        buyer_id as record_key,
        receiver as full_name,
        cast(null as date) as birth_on,
        cast(null as {{ dbt.type_string() }}) as gender,
        city,
        cast(null as {{ dbt.type_string() }}) as region,
        phone,
        email,
        first_placed_at as registered_at,
        first_known_at as known_at
    from ranked_orders
    where place = 1
    union all
    select
        'customers' as entity,
        customer_id as record_key,
        cast(null as {{ dbt.type_string() }}) as full_name,
        cast(null as date) as birth_on,
        cast(null as {{ dbt.type_string() }}) as gender,
        cast(null as {{ dbt.type_string() }}) as city,
        country as region,
        cast(null as {{ dbt.type_string() }}) as phone,
        cast(null as {{ dbt.type_string() }}) as email,
        first_invoiced_at as registered_at,
        first_known_at as known_at
    from ranked_countries
    where place = 1

)

select * from final

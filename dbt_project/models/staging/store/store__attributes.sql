-- Grain: buyer, or customer of the flat export, and moment when their place changed.
-- A buyer lives where the newest order is sent, a customer in the country of the newest
-- invoice. All versions of orders are read, while stg_store__orders keeps the newest:
-- an order tells its city since it was placed, and another since it was changed.
{{ config(materialized="ephemeral") }}

with

invoices as (

    select * from {{ ref("stg_store__invoices") }}

),

order_versions as (

    select * from {{ ref("int_store__order_versions") }}

),

deliveries as (

    select
        order_id,
        buyer_id,
        city,
        min(placed_at) as placed_at,
        min(coalesce(updated_at, placed_at, _known_at)) as changed_at,
        min(_known_at) as known_at
    from order_versions
    where buyer_id is not null
    group by order_id, buyer_id, city

),

dated_deliveries as (

    select
        order_id,
        buyer_id,
        city,
        known_at,
        min(placed_at) over (partition by buyer_id) as registered_at,
        case
            when changed_at = min(changed_at) over (partition by order_id)
                then coalesce(placed_at, changed_at)
            else changed_at
        end as changed_at
    from deliveries

),

invoice_moments as (

    select
        customer_id,
        invoiced_at,
        min(country) as country,
        min(_first_known_at) as known_at
    from invoices
    where customer_id is not null
    group by customer_id, invoiced_at

),

places as (

    select
        'buyers' as entity,
        buyer_id as record_key,
        city,
        cast(null as {{ dbt.type_string() }}) as region,
        registered_at,
        changed_at,
        known_at,
        row_number() over (
            partition by buyer_id, changed_at order by order_id desc, city desc
        ) as place
    from dated_deliveries
    union all
    select
        'customers' as entity,
        customer_id as record_key,
        cast(null as {{ dbt.type_string() }}) as city,
        country as region,
        min(invoiced_at) over (partition by customer_id) as registered_at,
        invoiced_at as changed_at,
        known_at,
        1 as place
    from invoice_moments

),

compared as (

    select
        entity,
        record_key,
        city,
        region,
        registered_at,
        changed_at,
        known_at,
        row_number() over (
            partition by entity, record_key order by changed_at asc nulls first
        ) as version_no,
        coalesce(city, region) as whereabouts,
        lag(coalesce(city, region)) over (
            partition by entity, record_key order by changed_at asc nulls first
        ) as previous_whereabouts
    from places
    where place = 1

),

final as (

    select
        entity,
        record_key,
        cast(null as {{ dbt.type_string() }}) as gender,
        city,
        region,
        cast(null as date) as birth_on,
        registered_at,
        changed_at,
        known_at
    from compared
    where version_no = 1 or whereabouts is distinct from previous_whereabouts

)

select * from final

-- Grain: one row a customer. What the CRM knows of the person.
{{ config(materialized="ephemeral") }}

with

customers as (

    select * from {{ ref("stg_crm__customers") }}

),

final as (

    select
        'customers' as entity,
        customer_id as record_key,
        full_name,
        birth_on,
        gender,
        city,
        region,
        phone,
        email,
        registered_at,
        _first_known_at as known_at
    from customers

)

select * from final

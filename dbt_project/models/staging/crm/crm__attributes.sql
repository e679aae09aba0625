-- Grain: customer and version of the record. stg_crm__customers keeps the newest alone.
{{ config(materialized="ephemeral") }}

with

versions as (

    select * from {{ ref("int_crm__customer_versions") }}

),

{{ newest_version("versions", key=["customer_id", "updated_at"]) }},

final as (

    select
        'customers' as entity,
        customer_id as record_key,
        gender,
        city,
        region,
        birth_on,
        registered_at,
        updated_at as changed_at,
        _first_known_at as known_at
    from newest

)

select * from final

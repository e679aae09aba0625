-- Grain: customer and version of the record. stg_crm__customers keeps the newest alone.
{{ config(materialized="ephemeral") }}

with

raw_customers as (

    select * from {{ source("raw", "crm__customers") }}

),

typed as (

    select
        {{ to_text("customer_id") }} as customer_id,
        {{ gender("gender") }} as gender,
        {{ to_text("city") }} as city,
        {{ to_text("region") }} as region,
        {{ to_date("birth_on") }} as birth_on,
        {{ try_to_timestamp("registered_at", source_timezone("crm")) }}
            as registered_at,
        {{ try_to_timestamp("updated_at", source_timezone("crm")) }} as updated_at,
        {{ load_columns() }}
    from raw_customers

),

{{ newest_version("typed", key=["customer_id", "updated_at"]) }},

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

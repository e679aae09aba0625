-- Grain: one row a contact. What the employee who serves it knows of the person.
{{ config(materialized="ephemeral") }}

with

contacts as (

    select * from {{ ref("stg_wecom__contacts") }}

),

final as (

    select
        'contacts' as entity,
        external_userid as record_key,
        full_name,
        cast(null as date) as birth_on,
        cast(null as {{ dbt.type_string() }}) as gender,
        cast(null as {{ dbt.type_string() }}) as city,
        cast(null as {{ dbt.type_string() }}) as region,
        phone,
        cast(null as {{ dbt.type_string() }}) as email,
        added_at as registered_at,
        _first_known_at as known_at
    from contacts

)

select * from final

-- Grain: one row an account. What the app knows of the person.
{{ config(materialized="ephemeral") }}

with

accounts as (

    select * from {{ ref("stg_app__accounts") }}

),

final as (

    select
        'accounts' as entity,
        app_user_id as record_key,
        cast(null as {{ dbt.type_string() }}) as full_name,
        cast(null as date) as birth_on,
        cast(null as {{ dbt.type_string() }}) as gender,
        cast(null as {{ dbt.type_string() }}) as city,
        cast(null as {{ dbt.type_string() }}) as region,
        phone,
        email,
        registered_at,
        _first_known_at as known_at
    from accounts

)

select * from final

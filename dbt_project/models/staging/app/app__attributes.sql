-- Grain: one row an account. The app asks for nothing but contacts, so there is one
-- version: it tells when the person registered.
{{ config(materialized="ephemeral") }}

with

accounts as (

    select * from {{ ref("stg_app__accounts") }}

),

final as (

    select
        'accounts' as entity,
        app_user_id as record_key,
        cast(null as {{ dbt.type_string() }}) as gender,
        cast(null as {{ dbt.type_string() }}) as city,
        cast(null as {{ dbt.type_string() }}) as region,
        cast(null as date) as birth_on,
        registered_at,
        cast(null as timestamp) as changed_at,
        _first_known_at as known_at
    from accounts

)

select * from final

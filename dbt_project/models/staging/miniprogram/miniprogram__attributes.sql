-- Grain: one row a user. The mini-program knows nothing but contacts, so there is one
-- version: it tells when the person came.
{{ config(materialized="ephemeral") }}

with

users as (

    select * from {{ ref("stg_miniprogram__users") }}

),

final as (

    select
        'users' as entity,
        openid as record_key,
        cast(null as {{ dbt.type_string() }}) as gender,
        cast(null as {{ dbt.type_string() }}) as city,
        cast(null as {{ dbt.type_string() }}) as region,
        cast(null as date) as birth_on,
        authorised_at as registered_at,
        cast(null as timestamp) as changed_at,
        _first_known_at as known_at
    from users

)

select * from final

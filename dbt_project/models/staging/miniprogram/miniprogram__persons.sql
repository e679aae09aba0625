-- Grain: one row a user. What the mini-program knows of the person.
{{ config(materialized="ephemeral") }}

with

users as (

    select * from {{ ref("stg_miniprogram__users") }}

),

final as (

    select
        'users' as entity,
        openid as record_key,
        cast(null as {{ dbt.type_string() }}) as full_name,
        cast(null as date) as birth_on,
        cast(null as {{ dbt.type_string() }}) as gender,
        cast(null as {{ dbt.type_string() }}) as city,
        cast(null as {{ dbt.type_string() }}) as region,
        phone,
        cast(null as {{ dbt.type_string() }}) as email,
        authorised_at as registered_at,
        _first_known_at as known_at
    from users

)

select * from final

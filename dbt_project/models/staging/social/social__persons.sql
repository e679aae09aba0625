-- Grain: one row an account. A nickname is no name: it would match by chance.
{{ config(materialized="ephemeral") }}

with

accounts as (

    select * from {{ ref("stg_social__accounts") }}

),

final as (

    select
        'accounts' as entity,
        social_id as record_key,
        cast(null as {{ dbt.type_string() }}) as full_name,
        cast(null as date) as birth_on,
        cast(null as {{ dbt.type_string() }}) as gender,
        cast(null as {{ dbt.type_string() }}) as city,
        cast(null as {{ dbt.type_string() }}) as region,
        phone,
        cast(null as {{ dbt.type_string() }}) as email,
        followed_at as registered_at,
        _first_known_at as known_at
    from accounts

)

select * from final

-- Grain: one row an event, of an account or else of a cookie.
{{ config(materialized="ephemeral") }}

with

events as (

    select * from {{ ref("stg_web__events") }}

),

final as (

    select
        'web:' || event_id as event_id,
        touchpoint,
        case
            when account_id is not null then 'accounts'
            when cookie_id is not null then 'cookies'
        end as person_entity,
        coalesce(account_id, cookie_id) as person_key,
        event_type,
        event_at,
        _first_known_at as known_at,
        value,
        category,
        campaign,
        duration_seconds
    from events

)

select * from final

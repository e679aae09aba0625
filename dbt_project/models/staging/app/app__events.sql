-- Grain: one row an event, of an account or else of a device.
{{ config(materialized="ephemeral") }}

with

events as (

    select * from {{ ref("stg_app__events") }}

),

final as (

    select
        'app:' || event_id as event_id,
        touchpoint,
        case
            when app_user_id is not null then 'accounts'
            when device_id is not null then 'devices'
        end as person_entity,
        coalesce(app_user_id, device_id) as person_key,
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

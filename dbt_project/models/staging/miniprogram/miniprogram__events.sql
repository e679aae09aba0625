-- Grain: one row an event of a mini-program's user.
{{ config(materialized="ephemeral") }}

with

events as (

    select * from {{ ref("stg_miniprogram__events") }}

),

final as (

    select
        'miniprogram:' || event_id as event_id,
        touchpoint,
        case when openid is not null then 'users' end as person_entity,
        openid as person_key,
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

-- Grain: one row an action of a follower.
{{ config(materialized="ephemeral") }}

with

actions as (

    select * from {{ ref("stg_social__actions") }}

),

final as (

    select
        'social:' || action_id as event_id,
        touchpoint,
        'accounts' as person_entity,
        social_id as person_key,
        action_type as event_type,
        acted_at as event_at,
        _first_known_at as known_at,
        cast(null as double) as value,
        category,
        campaign,
        cast(null as double) as duration_seconds
    from actions

)

select * from final

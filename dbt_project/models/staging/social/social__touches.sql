-- Grain: one row an action that a campaign caused.
{{ config(materialized="ephemeral") }}

with

events as (

    select * from {{ ref("social__events") }}

),

final as (

    select
        event_id as touch_id,
        touchpoint,
        person_entity,
        person_key,
        campaign,
        {{ to_decimal("null") }} as cost,
        event_at,
        known_at,
        cast(null as boolean) as is_opened,
        cast(null as boolean) as is_clicked,
        cast(null as timestamp) as opened_at,
        cast(null as timestamp) as clicked_at,
        cast(null as timestamp) as opened_known_at,
        cast(null as timestamp) as clicked_known_at
    from events
    where campaign is not null

)

select * from final

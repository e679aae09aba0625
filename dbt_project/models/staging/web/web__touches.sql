-- Grain: one row an event that marketing caused: a message read, or a campaign's.
{{ config(materialized="ephemeral") }}

with

events as (

    select * from {{ ref("web__events") }}

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
        case when event_type = 'message_read' then true end as is_opened,
        cast(null as boolean) as is_clicked,
        case when event_type = 'message_read' then event_at end as opened_at,
        cast(null as timestamp) as clicked_at,
        case when event_type = 'message_read' then known_at end as opened_known_at,
        cast(null as timestamp) as clicked_known_at
    from events
    where event_type = 'message_read' or campaign is not null

)

select * from final

-- Grain: one row a push message, or an event that marketing caused: a message read, or
-- a campaign's.
{{ config(materialized="ephemeral") }}

with

events as (

    select * from {{ ref("app__events") }}

),

pushes as (

    select * from {{ ref("stg_app__pushes") }}

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
    union all
    select
        'app:push:' || push_id as touch_id,
        touchpoint,
        case when app_user_id is not null then 'accounts' end as person_entity,
        app_user_id as person_key,
        campaign,
        {{ to_decimal("null") }} as cost,
        sent_at as event_at,
        _first_known_at as known_at,
        opened_at is not null as is_opened,
        cast(null as boolean) as is_clicked,
        opened_at,
        cast(null as timestamp) as clicked_at,
        case when opened_at is not null then opened_known_at end as opened_known_at,
        cast(null as timestamp) as clicked_known_at
    from pushes

)

select * from final

-- Grain: one row an event, of all systems.
{{ config(meta={"publish": "replace"}) }}

with

events as (

    {{ union_shapes("events", [
        "event_id",
        "touchpoint",
        "person_entity",
        "person_key",
        "event_type",
        "event_at",
        "known_at",
        "value",
        "category",
        "campaign",
        "duration_seconds",
    ]) }}

),

final as (

    select
        event_id,
        system,
        touchpoint,
        person_entity,
        person_key,
        event_type,
        event_at,
        known_at,
        value,
        category,
        campaign,
        duration_seconds,
        {{ run_id() }} as _run_id
    from events

)

select * from final

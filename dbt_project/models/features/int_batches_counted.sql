-- Grain: relation_name, known_at.
-- What came to be known at one moment, and a hash that tells whether it is still what
-- it was: a record that is sent again, or let out of quarantine, changes its batch.
{{ config(tags=["any_day"]) }}
with

events as (

    {{ counted_batches("events", [
        "event_id",
        "system",
        "touchpoint",
        "person_entity",
        "person_key",
        "event_type",
        "category",
        "campaign",
        "value",
        "duration_seconds",
        "event_at",
    ]) }}

),

final as (

    select
        relation_name,
        known_at,
        row_count,
        _content,
        {{ run_id() }} as _run_id
    from events

)

select * from final

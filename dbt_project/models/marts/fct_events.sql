-- Grain: event_id.
-- Every event up to the end of the newest ds, with the user of that day. Events of
-- nobody known stay, without a user.
with

{{ newest_day_ctes() }},

events as (

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
        duration_seconds
    from {{ source("staging", "events") }}

),

-- The day comes first and says what is up to ds. By moments, an engine would guess that
-- little is left, and build the join on all events.
dated as (

    select
        events.event_id,
        events.system,
        events.touchpoint,
        events.person_entity,
        events.person_key,
        events.event_type,
        events.event_at,
        events.known_at,
        events.value,
        events.category,
        events.campaign,
        events.duration_seconds,
        newest.ds,
        {{ local_date("events.event_at", "newest.timezone") }} as event_on
    from events
    cross join newest

),

final as (

    select
        dated.event_id,
        records.unified_user_id,
        dated.system,
        dated.touchpoint,
        dated.person_entity,
        dated.event_type,
        dated.event_at,
        dated.event_on,
        dated.known_at,
        dated.value,
        dated.category,
        dated.campaign,
        dated.duration_seconds,
        {{ run_id() }} as _run_id
    from dated
    left join records
        on
            dated.system = records.system
            and dated.person_entity = records.entity
            and dated.person_key = records.record_key
    where dated.event_on <= dated.ds

)

select * from final

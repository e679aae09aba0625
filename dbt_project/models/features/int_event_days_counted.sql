-- Grain: system, entity, record_key, event_on, known_at; of the batches that changed.
-- What a source record did on a day of the tenant's calendar, by when it was known. It
-- adds up: a snapshot sums the days up to ds that were known to it, whosever the record
-- then was, and no event is read again for another ds. Hence a session belongs to one
-- record and one day, and an event that comes late begins one of its own. Which of two
-- events of one moment carries the mark changes no sum and is left open.
{{ config(tags=["any_day"]) }}
{%- set settings = feature_settings() %}
with

tenant as (

    select max(timezone) as timezone
    from {{ source("ops", "run_dates") }}

),

events as (

    select
        system,
        person_entity,
        person_key,
        event_type,
        event_at,
        known_at,
        category,
        value,
        duration_seconds
    from {{ source("staging", "events") }} as events
    where
        person_key is not null
        and event_at is not null
        and {{ in_changed_batches("events", "events") }}

),

localised as (

    select
        events.system,
        events.person_entity,
        events.person_key,
        events.event_type,
        events.event_at,
        events.known_at,
        events.category,
        events.value,
        events.duration_seconds,
        {{ local_timestamp("events.event_at", "tenant.timezone") }} as event_local_at
    from events
    cross join tenant

),

marked as (

    select
        system,
        person_entity,
        person_key,
        event_type,
        cast(event_local_at as date) as event_on,
        known_at,
        category,
        value,
        duration_seconds,
        extract(hour from event_local_at) as local_hour,
        {{ is_night("event_local_at") }} as is_night,
        coalesce(
            event_at > lag(event_at) over (
                partition by
                    system,
                    person_entity,
                    person_key,
                    known_at,
                    cast(event_local_at as date)
                order by event_at
            ) + interval '{{ settings.session_gap_minutes }}' minute,
            true
        ) as is_session_start
    from localised

),

final as (

    select
        system,
        person_entity as entity,
        person_key as record_key,
        event_on,
        known_at,
        count(*) as event_count,
        {{ count_where("is_session_start") }} as session_count,
        {{ count_where("is_night") }} as night_event_count,
        -- decimals add up to the same in any order, doubles do not
        cast(sum(cast(duration_seconds as decimal(18, 4))) as decimal(38, 4))
            as dwell_seconds,
        {{ event_counts() }}
    from marked
    group by system, person_entity, person_key, event_on, known_at

)

select * from final

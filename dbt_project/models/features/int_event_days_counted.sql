-- Grain: system, entity, record_key, event_on, known_at; of the batches that changed.
-- What a source record did on a day of the tenant's calendar, by when it was known. It
-- adds up: a snapshot sums the days up to ds that were known to it, whosever the record
-- then was, and no event is read again for another ds. Hence a session belongs to one
-- record and one day, and an event that comes late begins one of its own. Firsts and
-- lasts of the steps of the funnel merge in the same way.
{{ config(tags=["any_day"]) }}
{%- set settings = feature_settings() %}
with

events as (

    select
        system,
        person_entity,
        person_key,
        event_type,
        event_at,
        {{ quarter_hour_no("event_at") }} as quarter_no,
        known_at,
        category,
        value,
        duration_seconds
    from {{ source("staging", "events") }}
    where
        person_key is not null
        and event_at is not null
        and {{ in_changed_batches("events", sliced=true) }}

),

quarters as (

    select * from {{ ref("int_quarters_localised") }}

),

counted as (

    select
        events.system,
        events.person_entity as entity,
        events.person_key as record_key,
        quarters.event_on,
        events.known_at,
        count(*) as event_count,
        {{ sorted_moments("events.event_at") }} as moments,
        {{ count_where("quarters.is_night") }} as night_event_count,
        {{ decimal_sum("events.duration_seconds") }} as dwell_seconds,
        {{ sorted_texts("events.category") }} as categories,
        {{ event_counts() }},
        {{ step_moments() }},
        {{ cart_amount() }} as cart_amount
    from events
    inner join quarters on events.quarter_no = quarters.quarter_no
    group by
        events.system,
        events.person_entity,
        events.person_key,
        quarters.event_on,
        events.known_at

),

final as (

    select
        system,
        entity,
        record_key,
        event_on,
        known_at,
        event_count,
        {{ stretches_of("moments", settings.session_gap_minutes) }} as session_count,
        night_event_count,
        dwell_seconds,
        categories,
        {{ settings.event_counts | join(",\n        ") }},
        {{ step_moment_names() | join(",\n        ") }},
        cart_amount
    from counted

)

select * from final

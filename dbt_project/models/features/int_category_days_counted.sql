-- Grain: system, entity, record_key, event_on, known_at, category.
-- Events of a source record with a category, by day and by when they were known.
{{ config(tags=["any_day"]) }}
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
        category,
        event_at,
        known_at
    from {{ source("staging", "events") }}
    where
        person_key is not null
        and category is not null
        and event_at is not null

),

final as (

    select
        events.system,
        events.person_entity as entity,
        events.person_key as record_key,
        {{ local_date("events.event_at", "tenant.timezone") }} as event_on,
        events.known_at,
        events.category,
        count(*) as event_count
    from events
    cross join tenant
    group by
        events.system,
        events.person_entity,
        events.person_key,
        {{ local_date("events.event_at", "tenant.timezone") }},
        events.known_at,
        events.category

)

select * from final

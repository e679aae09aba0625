-- Grain: system, entity, record_key, event_on, known_at, category; of the batches that
-- changed.
-- Events of a source record with a category, by day and by when they were known.
{{ config(tags=["any_day"]) }}
with

events as (

    select
        system,
        person_entity,
        person_key,
        category,
        {{ quarter_hour_no("event_at") }} as quarter_no,
        known_at
    from {{ source("staging", "events") }}
    where
        person_key is not null
        and category is not null
        and event_at is not null
        and {{ in_changed_batches("events") }}

),

quarters as (

    select * from {{ ref("int_quarters_localised") }}

),

final as (

    select
        events.system,
        events.person_entity as entity,
        events.person_key as record_key,
        quarters.event_on,
        events.known_at,
        events.category,
        count(*) as event_count
    from events
    inner join quarters on events.quarter_no = quarters.quarter_no
    group by
        events.system,
        events.person_entity,
        events.person_key,
        quarters.event_on,
        events.known_at,
        events.category

)

select * from final

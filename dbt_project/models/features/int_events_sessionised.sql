-- Grain: ds, event_id; events of known users up to the end of ds.
-- Marks the events that begin a session: the first of a user in a channel group, and
-- every one after a gap that is too long. A mark looks back only, so a later event
-- never changes it, and the marks of a day add up to its sessions. Which of two events
-- of one moment carries the mark changes no sum and is left open: to order by their ids
-- too would carry them through the sort.
{{ config(materialized="ephemeral") }}
{%- set settings = feature_settings() %}
with

records as (

    select
        ds,
        ends_at,
        system,
        entity,
        record_key,
        unified_user_id
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null

),

tenant as (

    select max(timezone) as timezone
    from {{ source("ops", "run_dates") }}

),

events as (

    select
        event_id,
        system,
        person_entity,
        person_key,
        event_type,
        event_at,
        category,
        duration_seconds
    from {{ source("staging", "events") }}
    where person_key is not null

),

localised as (

    select
        events.event_id,
        events.system,
        events.person_entity,
        events.person_key,
        events.event_type,
        events.event_at,
        events.category,
        events.duration_seconds,
        {{ local_timestamp("events.event_at", "tenant.timezone") }} as event_local_at
    from events
    cross join tenant

),

resolved as (

    select
        records.ds,
        records.unified_user_id,
        localised.event_id,
        localised.system as channel_group,
        localised.event_type,
        localised.event_at,
        localised.event_local_at,
        localised.category,
        localised.duration_seconds,
        lag(localised.event_at) over (
            partition by records.ds, records.unified_user_id, localised.system
            order by localised.event_at
        ) as previous_event_at
    from records
    inner join localised
        on
            records.system = localised.system
            and records.entity = localised.person_entity
            and records.record_key = localised.person_key
            and records.ends_at > localised.event_at

),

final as (

    select
        ds,
        unified_user_id,
        event_id,
        channel_group,
        event_type,
        event_at,
        cast(event_local_at as date) as event_on,
        {{ is_night("event_local_at") }} as is_night,
        category,
        duration_seconds,
        coalesce(
            event_at > previous_event_at
            + interval '{{ settings.session_gap_minutes }}' minute,
            true
        ) as is_session_start
    from resolved

)

select * from final

-- Grain: event_id.
-- Every event up to the end of the newest ds, with the user of that day. Events of
-- nobody known stay, without a user.
with

newest as (

    select
        ds,
        ends_at,
        timezone
    from {{ source("ops", "run_dates") }}
    where ds = {{ newest_day() }}

),

records as (

    select
        ds,
        system,
        entity,
        record_key,
        unified_user_id
    from {{ ref("int_records_resolved") }}

),

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

final as (

    select
        events.event_id,
        records.unified_user_id,
        events.system,
        events.touchpoint,
        events.person_entity,
        events.event_type,
        events.event_at,
        {{ local_date("events.event_at", "newest.timezone") }} as event_on,
        events.known_at,
        events.value,
        events.category,
        events.campaign,
        events.duration_seconds,
        {{ run_id() }} as _run_id
    from events
    inner join newest on events.event_at < newest.ends_at
    left join records
        on
            newest.ds = records.ds
            and events.system = records.system
            and events.person_entity = records.entity
            and events.person_key = records.record_key

)

select * from final

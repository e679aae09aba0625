-- Grain: version of an account, or day of its events, identifier type and value. An
-- account is also known by the devices it
-- was used on. A device stands for a person only where its events are anonymous.
{{ config(materialized="ephemeral") }}

with

versions as (

    select * from {{ ref("int_app__account_versions") }}

),

events as (

    select * from {{ ref("stg_app__events") }}

),

sightings as (

    select
        app_user_id,
        device_id,
        _first_known_at,
        min(coalesce(event_at, _first_known_at)) as first_event_at,
        max(coalesce(event_at, _first_known_at)) as last_event_at
    from events
    group by app_user_id, device_id, _first_known_at

),

anonymous_devices as (

    select * from sightings
    where app_user_id is null

),

account_devices as (

    select * from sightings
    where app_user_id is not null

),

final as (

    {{ identifiers_of(
        "versions",
        entity="accounts",
        record_key="app_user_id",
        own={"app_user_id": "app_user_id"},
        shown={"phone": "phone", "email": "email"},
        first_seen_at="coalesce(registered_at, updated_at, _known_at)",
        shown_since="coalesce(updated_at, registered_at, _known_at)",
        last_seen_at="coalesce(updated_at, registered_at, _known_at)",
        known_at="_known_at",
    ) }}
    union all
    {{ identifiers_of(
        "account_devices",
        entity="accounts",
        record_key="app_user_id",
        own={"app_user_id": "app_user_id"},
        shown={"device_id": "device_id"},
        first_seen_at="first_event_at",
        last_seen_at="last_event_at",
    ) }}
    union all
    {{ identifiers_of(
        "anonymous_devices",
        entity="devices",
        record_key="device_id",
        own={"device_id": "device_id"},
        first_seen_at="first_event_at",
        last_seen_at="last_event_at",
    ) }}

)

select * from final

-- Grain: record, identifier type and value. An account is also known by the devices it
-- was used on. A device stands for a person only where its events are anonymous.
{{ config(materialized="ephemeral") }}

with

accounts as (

    select * from {{ ref("stg_app__accounts") }}

),

events as (

    select * from {{ ref("stg_app__events") }}

),

sightings as (

    select
        app_user_id,
        device_id,
        min(coalesce(event_at, _first_known_at)) as first_event_at,
        max(coalesce(event_at, _first_known_at)) as last_event_at
    from events
    group by app_user_id, device_id

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
        "accounts",
        entity="accounts",
        record_key="app_user_id",
        own={"app_user_id": "app_user_id"},
        shown={"phone": "phone", "email": "email"},
        shown_suffix="_first_seen_at",
        first_seen_at="coalesce(registered_at, updated_at, _first_known_at)",
        last_seen_at="coalesce(updated_at, registered_at, _first_known_at)",
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

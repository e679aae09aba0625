-- Grain: record, identifier type and value. Who clicked is a cookie, or in an app a
-- device; neither is a person before something else shows it together with one.
{{ config(materialized="ephemeral") }}

with

clicks as (

    select * from {{ ref("stg_ads__clicks") }}

),

sightings as (

    select
        cookie_id,
        device_id,
        _first_known_at,
        min(coalesce(clicked_at, _first_known_at)) as first_event_at,
        max(coalesce(clicked_at, _first_known_at)) as last_event_at
    from clicks
    group by cookie_id, device_id, _first_known_at

),

cookies as (

    select * from sightings
    where cookie_id is not null

),

devices as (

    select * from sightings
    where cookie_id is null

),

final as (

    {{ identifiers_of(
        "cookies",
        entity="cookies",
        record_key="cookie_id",
        own={"cookie": "cookie_id"},
        shown={"device_id": "device_id"},
        first_seen_at="first_event_at",
        last_seen_at="last_event_at",
    ) }}
    union all
    {{ identifiers_of(
        "devices",
        entity="devices",
        record_key="device_id",
        own={"device_id": "device_id"},
        first_seen_at="first_event_at",
        last_seen_at="last_event_at",
    ) }}

)

select * from final

-- Grain: record, identifier type and value. An account of the shop is also known by the
-- cookies it was seen with. A cookie stands for a person only where its events are
-- anonymous.
{{ config(materialized="ephemeral") }}

with

events as (

    select * from {{ ref("stg_web__events") }}

),

sightings as (

    select
        account_id,
        cookie_id,
        _first_known_at,
        min(coalesce(event_at, _first_known_at)) as first_event_at,
        max(coalesce(event_at, _first_known_at)) as last_event_at
    from events
    group by account_id, cookie_id, _first_known_at

),

anonymous_cookies as (

    select * from sightings
    where account_id is null

),

account_cookies as (

    select * from sightings
    where account_id is not null

),

final as (

    {{ identifiers_of(
        "account_cookies",
        entity="accounts",
        record_key="account_id",
        own={"store_account": "account_id"},
        shown={"cookie": "cookie_id"},
        first_seen_at="first_event_at",
        last_seen_at="last_event_at",
    ) }}
    union all
    {{ identifiers_of(
        "anonymous_cookies",
        entity="cookies",
        record_key="cookie_id",
        own={"cookie": "cookie_id"},
        first_seen_at="first_event_at",
        last_seen_at="last_event_at",
    ) }}

)

select * from final

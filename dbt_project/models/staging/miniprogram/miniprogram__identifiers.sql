-- Grain: version of a user, or day of events, and identifier type. An openid that only
-- events have shown is a user too.
{{ config(materialized="ephemeral") }}

with

versions as (

    select * from {{ ref("int_miniprogram__user_versions") }}

),

events as (

    select * from {{ ref("stg_miniprogram__events") }}

),

seen_users as (

    select
        openid,
        _first_known_at,
        min(coalesce(event_at, _first_known_at)) as first_event_at,
        max(coalesce(event_at, _first_known_at)) as last_event_at
    from events
    group by openid, _first_known_at

),

final as (

    {{ identifiers_of(
        "versions",
        entity="users",
        record_key="openid",
        own={"openid": "openid"},
        shown={"unionid": "unionid", "phone": "phone"},
        first_seen_at="coalesce(authorised_at, updated_at, _known_at)",
        shown_since="coalesce(updated_at, authorised_at, _known_at)",
        last_seen_at="coalesce(updated_at, authorised_at, _known_at)",
        known_at="_known_at",
    ) }}
    union all
    {{ identifiers_of(
        "seen_users",
        entity="users",
        record_key="openid",
        own={"openid": "openid"},
        first_seen_at="first_event_at",
        last_seen_at="last_event_at",
    ) }}

)

select * from final

-- Grain: user and identifier type. An openid that only events have shown is a user too.
{{ config(materialized="ephemeral") }}

with

users as (

    select * from {{ ref("stg_miniprogram__users") }}

),

events as (

    select * from {{ ref("stg_miniprogram__events") }}

),

seen_users as (

    select
        openid,
        min(coalesce(event_at, _first_known_at)) as first_event_at,
        max(coalesce(event_at, _first_known_at)) as last_event_at
    from events
    group by openid

),

final as (

    {{ identifiers_of(
        "users",
        entity="users",
        record_key="openid",
        own={"openid": "openid"},
        shown={"unionid": "unionid", "phone": "phone"},
        shown_suffix="_first_seen_at",
        first_seen_at="coalesce(authorised_at, updated_at, _first_known_at)",
        last_seen_at="coalesce(updated_at, authorised_at, _first_known_at)",
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

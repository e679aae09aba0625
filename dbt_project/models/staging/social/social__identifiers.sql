-- Grain: account and identifier type. An account that only actions have shown is one
-- too.
{{ config(materialized="ephemeral") }}

with

versions as (

    select * from {{ ref("int_social__account_versions") }}

),

actions as (

    select * from {{ ref("stg_social__actions") }}

),

seen_accounts as (

    select
        social_id,
        _first_known_at,
        min(coalesce(acted_at, _first_known_at)) as first_event_at,
        max(coalesce(acted_at, _first_known_at)) as last_event_at
    from actions
    group by social_id, _first_known_at

),

final as (

    {{ identifiers_of(
        "versions",
        entity="accounts",
        record_key="social_id",
        own={"social_id": "social_id"},
        shown={"member_no": "member_no", "phone": "phone"},
        first_seen_at="coalesce(followed_at, updated_at, _known_at)",
        shown_since="coalesce(updated_at, followed_at, _known_at)",
        last_seen_at="coalesce(updated_at, followed_at, _known_at)",
        known_at="_known_at",
    ) }}
    union all
    {{ identifiers_of(
        "seen_accounts",
        entity="accounts",
        record_key="social_id",
        own={"social_id": "social_id"},
        first_seen_at="first_event_at",
        last_seen_at="last_event_at",
    ) }}

)

select * from final

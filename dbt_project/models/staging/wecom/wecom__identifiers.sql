-- Grain: record, identifier type and value. A contact that only messages or groups have
-- shown is a contact too. A reader of articles is known by the unionid alone.
{{ config(materialized="ephemeral") }}

with

versions as (

    select * from {{ ref("int_wecom__contact_versions") }}

),

events as (

    select * from {{ ref("wecom__events") }}

),

sightings as (

    select
        person_entity,
        person_key,
        known_at as _first_known_at,
        min(coalesce(event_at, known_at)) as first_event_at,
        max(coalesce(event_at, known_at)) as last_event_at
    from events
    group by person_entity, person_key, known_at

),

seen_contacts as (

    select * from sightings
    where person_entity = 'contacts'

),

readers as (

    select * from sightings
    where person_entity = 'readers'

),

final as (

    {{ identifiers_of(
        "versions",
        entity="contacts",
        record_key="external_userid",
        own={"wecom_id": "external_userid"},
        shown={"unionid": "unionid", "phone": "phone", "name": "full_name"},
        first_seen_at="coalesce(added_at, updated_at, _known_at)",
        shown_since="coalesce(updated_at, added_at, _known_at)",
        last_seen_at="coalesce(updated_at, added_at, _known_at)",
        known_at="_known_at",
    ) }}
    union all
    {{ identifiers_of(
        "seen_contacts",
        entity="contacts",
        record_key="person_key",
        own={"wecom_id": "person_key"},
        first_seen_at="first_event_at",
        last_seen_at="last_event_at",
    ) }}
    union all
    {{ identifiers_of(
        "readers",
        entity="readers",
        record_key="person_key",
        own={"unionid": "person_key"},
        first_seen_at="first_event_at",
        last_seen_at="last_event_at",
    ) }}

)

select * from final

-- Grain: system, entity, record key, identifier type, value hash.
-- What each source record shows of a person, as keyed hashes, as far as it is known
-- now.
{{ config(meta={"publish": "replace"}) }}

with

sightings as (

    select * from {{ ref("sightings") }}

),

final as (

    select
        system,
        entity,
        record_key,
        identifier_type,
        value_hash,
        key_version,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        bool_or(is_own) as is_own,
        min(known_at) as first_known_at,
        {{ run_id() }} as _run_id
    from sightings
    group by
        system,
        entity,
        record_key,
        identifier_type,
        value_hash,
        key_version

)

select * from final

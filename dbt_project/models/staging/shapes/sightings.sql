-- Grain: system, entity, record key, identifier type, value hash, known at.
-- What each source record shows of a person, as keyed hashes, by the moment when it was
-- known: a past day is resolved from what was known then. The functions that hash are
-- Python, so each distinct value goes through them once: the hash is taken inside an
-- aggregate, below which no engine can move the filter on it, as DuckDB does otherwise,
-- to hash every row of every source.
{{ config(meta={"publish": "replace"}) }}

with

records as (

    {{ union_shapes("identifiers", [
        "entity",
        "record_key",
        "identifier_type",
        "identifier_value",
        "is_own",
        "first_seen_at",
        "last_seen_at",
        "known_at",
    ]) }}

),

distinct_values as (

    select distinct
        identifier_type,
        identifier_value
    from records

),

hashed_values as (

    select
        identifier_type,
        identifier_value,
        max({{ pseudonym_by("identifier_type", "identifier_value") }}) as value_hash
    from distinct_values
    group by identifier_type, identifier_value

),

final as (

    select
        records.system,
        records.entity,
        records.record_key,
        records.identifier_type,
        hashed_values.value_hash,
        {{ pseudonym_key_version() }} as key_version,
        records.known_at,
        min(records.first_seen_at) as first_seen_at,
        max(records.last_seen_at) as last_seen_at,
        bool_or(records.is_own) as is_own,
        {{ run_id() }} as _run_id
    from records
    inner join hashed_values
        on
            records.identifier_type = hashed_values.identifier_type
            and records.identifier_value = hashed_values.identifier_value
    where
        records.record_key is not null
        and hashed_values.value_hash is not null
    group by
        records.system,
        records.entity,
        records.record_key,
        records.identifier_type,
        hashed_values.value_hash,
        records.known_at

)

select * from final

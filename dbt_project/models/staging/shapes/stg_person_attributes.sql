-- Grain: system, entity, record key, valid from; until the next version of the record.
-- What may leave the PII zone of a person's record: no name, no contact, and of the
-- birth date the year. All versions are kept, so that a past day is told as it was. The
-- first holds since the record was made, whenever it came.
{{ config(meta={"publish": "replace"}) }}

with

attributes as (

    {{ union_shapes("attributes", [
        "entity",
        "record_key",
        "gender",
        "city",
        "region",
        "birth_on",
        "registered_at",
        "changed_at",
        "known_at",
    ]) }}

),

ordered as (

    select
        *,
        row_number() over (
            partition by system, entity, record_key
            order by changed_at asc nulls first
        ) as version_no
    from attributes
    where record_key is not null

),

dated as (

    select
        *,
        case
            when version_no = 1 then coalesce(registered_at, changed_at, known_at)
            else greatest(changed_at, coalesce(registered_at, changed_at))
        end as valid_from_at
    from ordered

),

ranked as (

    select
        *,
        row_number() over (
            partition by system, entity, record_key, valid_from_at
            order by version_no desc
        ) as place
    from dated

),

final as (

    select
        system,
        entity,
        record_key,
        valid_from_at,
        gender,
        city,
        region,
        cast(extract(year from birth_on) as integer) as birth_year,
        registered_at,
        known_at,
        {{ run_id() }} as _run_id
    from ranked
    where place = 1

)

select * from final

-- Grain: system, entity, record key. What may leave the PII zone of a person's record:
-- no name, no contact, and of the birth date the year.
{{ config(meta={"publish": "replace"}) }}

with

persons as (

    select * from {{ ref("persons") }}

),

final as (

    select
        system,
        entity,
        record_key,
        gender,
        city,
        region,
        cast(extract(year from birth_on) as integer) as birth_year,
        registered_at,
        known_at,
        {{ run_id() }} as _run_id
    from persons

)

select * from final

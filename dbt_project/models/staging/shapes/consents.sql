-- Grain: system, person, purpose and the moment from which it holds, until the next.
{{ config(meta={"publish": "replace"}) }}

with

consents as (

    {{ union_shapes("consents", [
        "person_entity",
        "person_key",
        "purpose",
        "is_granted",
        "valid_from_at",
        "known_at",
    ]) }}

),

final as (

    select
        system,
        person_entity,
        person_key,
        purpose,
        is_granted,
        valid_from_at,
        known_at,
        {{ run_id() }} as _run_id
    from consents

)

select * from final

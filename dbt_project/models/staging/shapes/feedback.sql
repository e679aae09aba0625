-- Grain: one row a judgement that somebody gave: a survey, a review, an event attended;
-- of all systems.
{{ config(meta={"publish": "replace"}) }}

with

feedback as (

    {{ union_shapes("feedback", [
        "feedback_id",
        "touchpoint",
        "person_entity",
        "person_key",
        "kind",
        "rating",
        "nps",
        "category",
        "sku",
        "order_id",
        "language",
        "answered_at",
        "known_at",
    ]) }}

),

final as (

    select
        feedback_id,
        system,
        touchpoint,
        person_entity,
        person_key,
        kind,
        cast(rating as integer) as rating,
        cast(nps as integer) as nps,
        category,
        sku,
        order_id,
        language,
        answered_at,
        known_at,
        {{ run_id() }} as _run_id
    from feedback

)

select * from final

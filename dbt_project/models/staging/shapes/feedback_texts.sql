-- Grain: one row a judgement that has words. People write names and numbers, so they
-- stay in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

feedback_texts as (

    {{ union_shapes("feedback_texts", [
        "feedback_id",
        "text",
    ]) }}

),

final as (

    select
        feedback_id,
        system,
        text,
        {{ run_id() }} as _run_id
    from feedback_texts

)

select * from final

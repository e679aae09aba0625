-- Grain: one row a ticket: what the customer wrote. People write names and numbers, so
-- it stays in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

ticket_texts as (

    {{ union_shapes("ticket_texts", [
        "ticket_id",
        "text",
    ]) }}

),

final as (

    select
        ticket_id,
        system,
        text,
        {{ run_id() }} as _run_id
    from ticket_texts

)

select * from final

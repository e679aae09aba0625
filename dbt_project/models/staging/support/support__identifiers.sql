-- Grain: ticket and identifier type. A ticket has no id of a person of its own: it
-- shows a phone, a member number, both or nothing, and perhaps what was bought.
{{ config(materialized="ephemeral") }}

with

versions as (

    select * from {{ ref("int_support__ticket_versions") }}

),

final as (

    {{ identifiers_of(
        "versions",
        entity="tickets",
        record_key="ticket_id",
        shown={
            "member_no": "member_no",
            "phone": "phone",
            "purchase_id": "order_id",
        },
        first_seen_at="coalesce(opened_at, _known_at)",
        last_seen_at="coalesce(updated_at, opened_at, _known_at)",
        known_at="_known_at",
    ) }}

)

select * from final

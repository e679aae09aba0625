-- Grain: ticket and identifier type. A ticket has no id of a person of its own: it
-- shows a phone, a member number, both or nothing.
{{ config(materialized="ephemeral") }}

with

tickets as (

    select * from {{ ref("stg_support__tickets") }}

),

final as (

    {{ identifiers_of(
        "tickets",
        entity="tickets",
        record_key="ticket_id",
        shown={"member_no": "member_no", "phone": "phone"},
        shown_suffix="_first_seen_at",
        first_seen_at="coalesce(opened_at, _first_known_at)",
        last_seen_at="coalesce(updated_at, opened_at, _first_known_at)",
    ) }}

)

select * from final

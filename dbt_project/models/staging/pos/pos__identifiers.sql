-- Grain: receipt and identifier type. A receipt has no id of a person of its own: it
-- shows a member card, a phone, both or nothing, and always its number, by which the
-- ledger of points may know whose it is.
{{ config(materialized="ephemeral") }}

with

receipts as (

    select * from {{ ref("stg_pos__receipts") }}

),

final as (

    {{ identifiers_of(
        "receipts",
        entity="receipts",
        record_key="receipt_id",
        shown={
            "member_no": "member_no",
            "phone": "phone",
            "purchase_id": "receipt_id",
        },
        first_seen_at="coalesce(sold_at, _first_known_at)",
        last_seen_at="coalesce(sold_at, _first_known_at)",
    ) }}

)

select * from final

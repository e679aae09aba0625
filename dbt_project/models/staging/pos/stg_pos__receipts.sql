-- Grain: one row a receipt of a till. Holds phones, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_receipts as (

    select * from {{ source("raw", "pos__receipts") }}

),

typed as (

    select
        {{ to_text("receipt_id") }} as receipt_id,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("store_no") }} as store_no,
        {{ to_text("member_no") }} as member_no,
        {{ to_text("phone") }} as phone,
        upper({{ to_text("currency") }}) as currency,
        {{ try_to_timestamp("sold_at", source_timezone("pos")) }} as sold_at,
        {{ load_columns() }}
    from raw_receipts

),

{{ newest_version("typed", key=["receipt_id"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

-- Grain: one row a receipt and line number; a negative quantity is a return.
{{ config(meta={"publish": "replace"}) }}

with

raw_receipt_lines as (

    select * from {{ source("raw", "pos__receipt_lines") }}

),

typed as (

    select
        {{ to_text("receipt_id") }} as receipt_id,
        {{ to_bigint("line_no") }} as line_no,
        {{ to_text("sku") }} as sku,
        lower({{ to_text("category") }}) as category,
        {{ to_bigint("quantity") }} as quantity,
        {{ to_decimal("unit_price") }} as unit_price,
        {{ to_decimal("discount") }} as discount,
        {{ to_decimal("unit_cost") }} as unit_cost,
        {{ load_columns() }}
    from raw_receipt_lines

),

{{ newest_version("typed", key=["receipt_id", "line_no"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

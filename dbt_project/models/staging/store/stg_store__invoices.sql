-- Grain: one row an invoice line of the flat export, which has no key of its own: a
-- line is its typed values and its ordinal among equal lines of one file. Exports
-- overlap, and the description is not in the key because it is edited between them.
{{ config(meta={"publish": "replace"}) }}

with

raw_invoices as (

    select * from {{ source("raw", "store__invoices") }}

),

typed as (

    select
        {{ to_text("invoice") }} as invoice,
        {{ to_text("stock_code") }} as stock_code,
        {{ to_text("description") }} as description,
        {{ to_bigint("quantity") }} as quantity,
        {{ to_decimal("price") }} as price,
        {{ try_to_timestamp("invoiced_at", source_timezone("store", "invoices")) }}
            as invoiced_at,
        {{ to_integer_text("customer_id") }} as customer_id,
        {{ to_text("country") }} as country,
        _occurrence,
        {{ load_columns() }}
    from raw_invoices

),

{{ newest_version(
    "typed",
    key=[
        "invoice", "stock_code", "quantity", "price", "invoiced_at", "_occurrence"
    ],
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

-- Grain: one row a refund: money that went back for an order or one of its lines.
{{ config(meta={"publish": "replace"}) }}

with

raw_refunds as (

    select * from {{ source("raw", "store__refunds") }}

),

typed as (

    select
        {{ to_text("refund_id") }} as refund_id,
        {{ to_text("order_id") }} as order_id,
        {{ to_bigint("line_no") }} as line_no,
        {{ to_decimal("amount") }} as amount,
        {{ try_to_timestamp("refunded_at", source_timezone("store", "refunds")) }}
            as refunded_at,
        {{ load_columns() }}
    from raw_refunds

),

{{ newest_version("typed", key=["refund_id"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

-- Grain: one row an order of the shop, in its newest state (orders are sent again when
-- they change), and since when it is cancelled, if ever. Holds contact values, hence in
-- the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_orders as (

    select * from {{ source("raw", "store__orders") }}

),

typed as (

    select
        {{ to_text("order_id") }} as order_id,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("buyer_id") }} as buyer_id,
        {{ to_text("phone") }} as phone,
        {{ to_text("email") }} as email,
        {{ to_text("receiver") }} as receiver,
        {{ to_text("city") }} as city,
        lower({{ to_text("status") }}) as status,
        upper({{ to_text("currency") }}) as currency,
        {{ try_to_timestamp("placed_at", source_timezone("store", "orders")) }}
            as placed_at,
        {{ to_text("campaign") }} as campaign,
        {{ try_to_timestamp("updated_at", source_timezone("store", "orders")) }}
            as updated_at,
        {{ load_columns() }}
    from raw_orders

),

{{ newest_version(
    "typed",
    key=["order_id"],
    version="updated_at",
    earliest={
        "cancelled_at": "case when status = 'cancelled'"
        ~ " then coalesce(updated_at, placed_at, _known_at) end",
    },
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

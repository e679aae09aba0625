-- Grain: one row a row of raw, typed: every version of an order that came.
{{ config(schema="pii", materialized="view") }}

with

raw_orders as (

    select * from {{ source("raw", "store__orders") }}

),

final as (

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

)

select * from final

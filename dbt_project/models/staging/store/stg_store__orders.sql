-- Grain: one row an order of the shop, in its newest state (orders are sent again when
-- they change), and since when it is cancelled, if ever. Holds contact values, hence in
-- the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

versions as (

    select * from {{ ref("int_store__order_versions") }}

),

{{ newest_version(
    "versions",
    key=["order_id"],
    version="updated_at",
    earliest={
        "cancelled_at": "case when status = 'cancelled'"
        ~ " then coalesce(updated_at, placed_at, _known_at) end",
        "cancelled_known_at": "case when status = 'cancelled' then _known_at end",
    },
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

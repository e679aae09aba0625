-- Grain: one row an entry in a member's account of points.
{{ config(meta={"publish": "replace"}) }}

with

raw_points as (

    select * from {{ source("raw", "loyalty__points") }}

),

typed as (

    select
        {{ to_text("entry_id") }} as entry_id,
        {{ to_text("member_no") }} as member_no,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_bigint("points") }} as points,
        lower({{ to_text("reason") }}) as reason,
        {{ to_text("order_id") }} as order_id,
        {{ try_to_timestamp("booked_at", source_timezone("loyalty")) }} as booked_at,
        {{ load_columns() }}
    from raw_points

),

{{ newest_version("typed", key=["entry_id"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

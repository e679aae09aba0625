-- Grain: one row a coupon, the newest state of each.
{{ config(meta={"publish": "replace"}) }}

with

raw_coupons as (

    select * from {{ source("raw", "loyalty__coupons") }}

),

typed as (

    select
        {{ to_text("coupon_id") }} as coupon_id,
        {{ to_text("member_no") }} as member_no,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("campaign") }} as campaign,
        {{ to_decimal("face_value") }} as face_value,
        upper({{ to_text("currency") }}) as currency,
        {{ try_to_timestamp("issued_at", source_timezone("loyalty")) }} as issued_at,
        {{ try_to_timestamp("redeemed_at", source_timezone("loyalty")) }}
            as redeemed_at,
        {{ to_text("order_id") }} as order_id,
        {{ try_to_timestamp("expires_at", source_timezone("loyalty")) }} as expires_at,
        {{ try_to_timestamp("updated_at", source_timezone("loyalty")) }} as updated_at,
        {{ load_columns() }}
    from raw_coupons

),

{{ newest_version(
    "typed",
    key=["coupon_id"],
    version="updated_at",
    earliest={
        "redeemed_known_at": "case when redeemed_at is not null then _known_at end",
    },
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

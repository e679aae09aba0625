-- Grain: one row a user of a mini-program, the newest version of each.
-- Holds phones, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_users as (

    select * from {{ source("raw", "miniprogram__users") }}

),

typed as (

    select
        {{ to_text("openid") }} as openid,
        {{ to_text("unionid") }} as unionid,
        {{ to_text("phone") }} as phone,
        {{ try_to_timestamp("authorised_at", source_timezone("miniprogram")) }}
            as authorised_at,
        {{ try_to_timestamp("updated_at", source_timezone("miniprogram")) }}
            as updated_at,
        {{ load_columns() }}
    from raw_users

),

{{ newest_version(
    "typed",
    key=["openid"],
    version="updated_at",
    first_seen=["unionid", "phone"],
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

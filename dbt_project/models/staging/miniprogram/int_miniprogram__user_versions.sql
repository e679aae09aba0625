-- Grain: one row a row of raw, typed: every version of a user that came.
{{ config(schema="pii", materialized="view") }}

with

raw_users as (

    select * from {{ source("raw", "miniprogram__users") }}

),

final as (

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

)

select * from final

-- Grain: one row a row of raw, typed: every version of an account that came.
{{ config(schema="pii", materialized="view") }}

with

raw_accounts as (

    select * from {{ source("raw", "social__accounts") }}

),

final as (

    select
        {{ to_text("social_id") }} as social_id,
        lower({{ to_text("platform") }}) as platform,
        {{ to_text("nickname") }} as nickname,
        {{ to_text("member_no") }} as member_no,
        {{ to_text("phone") }} as phone,
        {{ try_to_timestamp("followed_at", source_timezone("social")) }} as followed_at,
        {{ try_to_timestamp("updated_at", source_timezone("social")) }} as updated_at,
        {{ load_columns() }}
    from raw_accounts

)

select * from final

-- Grain: one row a row of raw, typed: every version of an account that came.
{{ config(schema="pii", materialized="view") }}

with

raw_accounts as (

    select * from {{ source("raw", "app__accounts") }}

),

final as (

    select
        {{ to_text("app_user_id") }} as app_user_id,
        {{ to_text("phone") }} as phone,
        {{ to_text("email") }} as email,
        {{ try_to_timestamp("registered_at", source_timezone("app")) }}
            as registered_at,
        {{ try_to_timestamp("updated_at", source_timezone("app")) }} as updated_at,
        {{ load_columns() }}
    from raw_accounts

)

select * from final

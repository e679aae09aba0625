-- Grain: one row an account of the app, the newest version of each.
-- Holds contact values, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_accounts as (

    select * from {{ source("raw", "app__accounts") }}

),

typed as (

    select
        {{ to_text("app_user_id") }} as app_user_id,
        {{ to_text("phone") }} as phone,
        {{ to_text("email") }} as email,
        {{ try_to_timestamp("registered_at", source_timezone("app")) }}
            as registered_at,
        {{ try_to_timestamp("updated_at", source_timezone("app")) }} as updated_at,
        {{ load_columns() }}
    from raw_accounts

),

{{ newest_version(
    "typed",
    key=["app_user_id"],
    version="updated_at",
    first_seen=["phone", "email"],
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

-- Grain: one row an account of the app, the newest version of each.
-- Holds contact values, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

versions as (

    select * from {{ ref("int_app__account_versions") }}

),

{{ newest_version(
    "versions",
    key=["app_user_id"],
    version="updated_at",
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

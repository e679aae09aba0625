-- Grain: one row a user of a mini-program, the newest version of each.
-- Holds phones, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

versions as (

    select * from {{ ref("int_miniprogram__user_versions") }}

),

{{ newest_version(
    "versions",
    key=["openid"],
    version="updated_at",
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

-- Grain: one row a contact of the company in WeCom, the newest version of each. Holds
-- names and phones, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

versions as (

    select * from {{ ref("int_wecom__contact_versions") }}

),

{{ newest_version(
    "versions",
    key=["external_userid"],
    version="updated_at",
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

-- Grain: one row a customer of the CRM, the newest version of each.
-- Holds contact values, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

versions as (

    select * from {{ ref("int_crm__customer_versions") }}

),

{{ newest_version(
    "versions",
    key=["customer_id"],
    version="updated_at",
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

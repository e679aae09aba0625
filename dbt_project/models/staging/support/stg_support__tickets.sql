-- Grain: one row a request to customer service, the newest state of each. Holds phones
-- and the customers' own words, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

versions as (

    select * from {{ ref("int_support__ticket_versions") }}

),

{{ newest_version(
    "versions",
    key=["ticket_id"],
    version="updated_at",
    earliest={
        "satisfaction_at": "case when satisfaction is not null then updated_at end",
        "closed_at": "case when status = 'closed' then updated_at end",
    },
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

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
        "satisfaction_known_at":
            "case when satisfaction is not null then _known_at end",
        "closed_at": "case when status = 'closed' then updated_at end",
        "responded_known_at":
            "case when first_response_at is not null then _known_at end",
        "resolved_known_at": "case when resolved_at is not null then _known_at end",
        "reopened_at":
            "case when status = 'open' and resolved_at is not null then updated_at end",
        "reopened_known_at":
            "case when status = 'open' and resolved_at is not null then _known_at end",
    },
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

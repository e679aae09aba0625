-- Grain: one row a consent record of the CRM: a purpose granted or withdrawn.
{{ config(meta={"publish": "replace"}) }}

with

raw_consents as (

    select * from {{ source("raw", "crm__consents") }}

),

typed as (

    select
        {{ to_text("consent_id") }} as consent_id,
        {{ to_text("customer_id") }} as customer_id,
        lower({{ to_text("purpose") }}) as purpose,
        {{ to_boolean("granted") }} as is_granted,
        {{ try_to_timestamp("changed_at", source_timezone("crm")) }} as changed_at,
        {{ load_columns() }}
    from raw_consents

),

{{ newest_version("typed", key=["consent_id"], version="changed_at") }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

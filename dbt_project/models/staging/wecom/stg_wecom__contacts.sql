-- Grain: one row a contact of the company in WeCom, the newest version of each. Holds
-- names and phones, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_contacts as (

    select * from {{ source("raw", "wecom__contacts") }}

),

typed as (

    select
        {{ to_text("external_userid") }} as external_userid,
        {{ to_text("unionid") }} as unionid,
        {{ to_text("phone") }} as phone,
        {{ to_text("name") }} as full_name,
        {{ to_text("owner") }} as owner,
        {{ try_to_timestamp("added_at", source_timezone("wecom")) }} as added_at,
        {{ try_to_timestamp("updated_at", source_timezone("wecom")) }} as updated_at,
        {{ load_columns() }}
    from raw_contacts

),

{{ newest_version(
    "typed",
    key=["external_userid"],
    version="updated_at",
    first_seen=["unionid", "phone"],
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

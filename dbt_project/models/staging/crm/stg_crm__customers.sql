-- Grain: one row a customer of the CRM, the newest version of each.
-- Holds contact values, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_customers as (

    select * from {{ source("raw", "crm__customers") }}

),

typed as (

    select
        {{ to_text("customer_id") }} as customer_id,
        {{ to_text("name") }} as full_name,
        {{ to_text("phone") }} as phone,
        {{ to_text("email") }} as email,
        {{ to_date("birth_on") }} as birth_on,
        {{ gender("gender") }} as gender,
        {{ to_text("city") }} as city,
        {{ to_text("region") }} as region,
        {{ to_text("member_no") }} as member_no,
        {{ to_text("unionid") }} as unionid,
        {{ to_text("owner") }} as owner,
        {{ try_to_timestamp("registered_at", source_timezone("crm")) }}
            as registered_at,
        {{ try_to_timestamp("updated_at", source_timezone("crm")) }} as updated_at,
        {{ load_columns() }}
    from raw_customers

),

{{ newest_version(
    "typed",
    key=["customer_id"],
    version="updated_at",
    first_seen=["phone", "email", "member_no", "unionid"],
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

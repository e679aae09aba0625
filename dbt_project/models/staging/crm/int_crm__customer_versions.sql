-- Grain: one row a row of raw, typed: every version of a customer that was
-- read.
{{ config(schema="pii", materialized="view") }}

with

raw_customers as (

    select * from {{ source("raw", "crm__customers") }}

),

final as (

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

)

select * from final

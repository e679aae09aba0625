-- Grain: one row a row of raw, typed: every version of a contact that came.
{{ config(schema="pii", materialized="view") }}

with

raw_contacts as (

    select * from {{ source("raw", "wecom__contacts") }}

),

final as (

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

)

select * from final

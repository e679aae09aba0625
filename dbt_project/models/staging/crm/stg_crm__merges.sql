-- Grain: one row a merge of two customer records of the CRM, made by its users.
{{ config(meta={"publish": "replace"}) }}

with

raw_merges as (

    select * from {{ source("raw", "crm__merges") }}

),

typed as (

    select
        {{ to_text("merge_id") }} as merge_id,
        {{ to_text("from_customer_id") }} as from_customer_id,
        {{ to_text("into_customer_id") }} as into_customer_id,
        {{ try_to_timestamp("merged_at", source_timezone("crm")) }} as merged_at,
        {{ load_columns() }}
    from raw_merges

),

{{ newest_version("typed", key=["merge_id"], version="merged_at") }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

-- Grain: one row a reading of an article of the official account.
{{ config(meta={"publish": "replace"}) }}

with

raw_reads as (

    select * from {{ source("raw", "wecom__reads") }}

),

typed as (

    select
        {{ to_text("read_id") }} as read_id,
        {{ to_text("unionid") }} as unionid,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("article_id") }} as article_id,
        lower({{ to_text("category") }}) as category,
        {{ try_to_timestamp("read_at", source_timezone("wecom")) }} as read_at,
        {{ to_double("duration_seconds") }} as duration_seconds,
        {{ load_columns() }}
    from raw_reads

),

{{ newest_version("typed", key=["read_id"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

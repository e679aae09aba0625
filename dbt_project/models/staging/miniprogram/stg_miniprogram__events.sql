-- Grain: one row an event of a mini-program.
{{ config(meta={"publish": "replace"}) }}

with

raw_events as (

    select * from {{ source("raw", "miniprogram__events") }}

),

typed as (

    select
        {{ to_text("event_id") }} as event_id,
        {{ to_text("openid") }} as openid,
        {{ to_text("touchpoint") }} as touchpoint,
        lower({{ to_text("event_type") }}) as event_type,
        {{ try_to_timestamp("event_at", source_timezone("miniprogram")) }}
            as event_at,
        lower({{ to_text("category") }}) as category,
        {{ to_double("value") }} as value,
        {{ to_double("duration_seconds") }} as duration_seconds,
        {{ to_text("campaign") }} as campaign,
        {{ load_columns() }}
    from raw_events

),

{{ newest_version("typed", key=["event_id"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

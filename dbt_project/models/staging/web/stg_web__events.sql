-- Grain: one row an event of the web site; without an account it is anonymous.
{{ config(meta={"publish": "replace"}) }}

with

raw_events as (

    select * from {{ source("raw", "web__events") }}

),

typed as (

    select
        {{ to_text("event_id") }} as event_id,
        {{ to_text("cookie_id") }} as cookie_id,
        {{ to_text("account_id") }} as account_id,
        {{ to_text("touchpoint") }} as touchpoint,
        lower({{ to_text("event_type") }}) as event_type,
        {{ try_to_timestamp("event_at", source_timezone("web")) }} as event_at,
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

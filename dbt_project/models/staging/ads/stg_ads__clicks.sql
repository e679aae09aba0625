-- Grain: one row a click on an advertisement.
{{ config(meta={"publish": "replace"}) }}

with

raw_clicks as (

    select * from {{ source("raw", "ads__clicks") }}

),

typed as (

    select
        {{ to_text("click_id") }} as click_id,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("campaign") }} as campaign,
        {{ to_text("cookie_id") }} as cookie_id,
        {{ to_text("device_id") }} as device_id,
        {{ try_to_timestamp("clicked_at", source_timezone("ads")) }} as clicked_at,
        {{ load_columns() }}
    from raw_clicks

),

{{ newest_version("typed", key=["click_id"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

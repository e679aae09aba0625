-- Grain: one row a touchpoint, campaign and day: what advertising cost, by the newest
-- bill.
{{ config(meta={"publish": "replace"}) }}

with

raw_costs as (

    select * from {{ source("raw", "ads__costs") }}

),

typed as (

    select
        {{ to_text("cost_day_id") }} as cost_day_id,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("campaign") }} as campaign,
        {{ to_date("spent_on") }} as spent_on,
        {{ to_bigint("impressions") }} as impressions,
        {{ to_bigint("clicks") }} as clicks,
        {{ to_decimal("cost") }} as cost,
        upper({{ to_text("currency") }}) as currency,
        {{ try_to_timestamp("updated_at", source_timezone("ads")) }} as updated_at,
        {{ load_columns() }}
    from raw_costs

),

{{ newest_version("typed", key=["cost_day_id"], version="updated_at") }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

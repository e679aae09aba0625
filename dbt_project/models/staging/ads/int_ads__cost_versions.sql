-- Grain: one row a row of raw, typed: every version of the figures that was read.
{{ config(materialized="view") }}

with

raw_costs as (

    select * from {{ source("raw", "ads__costs") }}

),

final as (

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

)

select * from final

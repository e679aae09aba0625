-- Grain: one row a review of an article that was bought. Holds the buyers' own words,
-- hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_reviews as (

    select * from {{ source("raw", "feedback__reviews") }}

),

typed as (

    select
        {{ to_text("review_id") }} as review_id,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("buyer_id") }} as buyer_id,
        {{ to_text("order_id") }} as order_id,
        {{ to_text("sku") }} as sku,
        lower({{ to_text("category") }}) as category,
        {{ to_bigint("rating") }} as rating,
        {{ to_text("review_text") }} as review_text,
        lower({{ to_text("language") }}) as language,
        {{ try_to_timestamp("reviewed_at", source_timezone("feedback")) }}
            as reviewed_at,
        {{ load_columns() }}
    from raw_reviews

),

{{ newest_version("typed", key=["review_id"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

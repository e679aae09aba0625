-- Grain: one row a review that says something, in the buyer's words.
{{ config(materialized="ephemeral") }}

with

reviews as (

    select * from {{ ref("stg_feedback__reviews") }}

),

final as (

    select
        'feedback:review:' || review_id as feedback_id,
        review_text as text
    from reviews
    where review_text is not null

)

select * from final

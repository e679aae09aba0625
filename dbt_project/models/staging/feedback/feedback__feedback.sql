-- Grain: one row an answer to the survey, a review, or an attendance of an event. What
-- people wrote stays in the PII zone (`feedback_texts`).
{{ config(materialized="ephemeral") }}

with

surveys as (

    select * from {{ ref("stg_feedback__surveys") }}

),

reviews as (

    select * from {{ ref("stg_feedback__reviews") }}

),

attendances as (

    select * from {{ ref("stg_feedback__attendances") }}

),

final as (

    select
        'feedback:survey:' || response_id as feedback_id,
        touchpoint,
        case when coalesce(member_no, phone) is not null then 'surveys' end
            as person_entity,
        case when coalesce(member_no, phone) is not null then response_id end
            as person_key,
        'nps' as kind,
        cast(null as bigint) as rating,
        nps,
        cast(null as {{ dbt.type_string() }}) as category,
        cast(null as {{ dbt.type_string() }}) as sku,
        cast(null as {{ dbt.type_string() }}) as order_id,
        cast(null as {{ dbt.type_string() }}) as language,
        answered_at,
        _first_known_at as known_at
    from surveys
    union all
    select
        'feedback:review:' || review_id as feedback_id,
        touchpoint,
        case when buyer_id is not null then 'buyers' end as person_entity,
        buyer_id as person_key,
        'review' as kind,
        rating,
        cast(null as bigint) as nps,
        category,
        sku,
        order_id,
        language,
        reviewed_at as answered_at,
        _first_known_at as known_at
    from reviews
    union all
    select
        'feedback:attendance:' || attendance_id as feedback_id,
        touchpoint,
        case when coalesce(member_no, phone) is not null then 'attendances' end
            as person_entity,
        case when coalesce(member_no, phone) is not null then attendance_id end
            as person_key,
        'attendance' as kind,
        rating,
        cast(null as bigint) as nps,
        cast(null as {{ dbt.type_string() }}) as category,
        cast(null as {{ dbt.type_string() }}) as sku,
        cast(null as {{ dbt.type_string() }}) as order_id,
        cast(null as {{ dbt.type_string() }}) as language,
        attended_at as answered_at,
        _first_known_at as known_at
    from attendances

)

select * from final

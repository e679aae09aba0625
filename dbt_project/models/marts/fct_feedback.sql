-- Grain: feedback_id.
-- Every judgement up to the end of the newest ds, with the user of that day. What
-- nobody known said stays, without a user.
with

{{ newest_day_ctes() }},

feedback as (

    select
        feedback_id,
        system,
        touchpoint,
        person_entity,
        person_key,
        kind,
        rating,
        nps,
        category,
        sku,
        order_id,
        language,
        answered_at,
        known_at
    from {{ source("staging", "feedback") }}

),

dated as (

    select
        feedback.feedback_id,
        feedback.system,
        feedback.touchpoint,
        feedback.person_entity,
        feedback.person_key,
        feedback.kind,
        feedback.rating,
        feedback.nps,
        feedback.category,
        feedback.sku,
        feedback.order_id,
        feedback.language,
        feedback.answered_at,
        feedback.known_at,
        newest.ds,
        {{ local_date("feedback.answered_at", "newest.timezone") }} as answered_on
    from feedback
    cross join newest

),

final as (

    select
        dated.feedback_id,
        records.unified_user_id,
        dated.system,
        dated.touchpoint,
        dated.person_entity,
        dated.kind,
        dated.rating,
        dated.nps,
        dated.category,
        dated.sku,
        dated.order_id,
        dated.language,
        dated.answered_at,
        dated.answered_on,
        dated.known_at,
        {{ run_id() }} as _run_id
    from dated
    left join records
        on
            dated.system = records.system
            and dated.person_entity = records.entity
            and dated.person_key = records.record_key
    where dated.answered_on <= dated.ds

)

select * from final

-- Grain: record, identifier type and value. An answer and an attendance have no id of a
-- person of their own: they show a member number, a phone, both or nothing. A review is
-- written from an account of the shop.
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

buyers as (

    select
        buyer_id,
        _first_known_at,
        min(coalesce(reviewed_at, _first_known_at)) as first_review_at,
        max(coalesce(reviewed_at, _first_known_at)) as last_review_at
    from reviews
    group by buyer_id, _first_known_at

),

final as (

    {{ identifiers_of(
        "surveys",
        entity="surveys",
        record_key="response_id",
        shown={"member_no": "member_no", "phone": "phone"},
        first_seen_at="coalesce(answered_at, _first_known_at)",
        last_seen_at="coalesce(answered_at, _first_known_at)",
    ) }}
    union all
    {{ identifiers_of(
        "buyers",
        entity="buyers",
        record_key="buyer_id",
        own={"store_account": "buyer_id"},
        first_seen_at="first_review_at",
        last_seen_at="last_review_at",
    ) }}
    union all
    {{ identifiers_of(
        "attendances",
        entity="attendances",
        record_key="attendance_id",
        shown={"member_no": "member_no", "phone": "phone"},
        first_seen_at="coalesce(attended_at, _first_known_at)",
        last_seen_at="coalesce(attended_at, _first_known_at)",
    ) }}

)

select * from final

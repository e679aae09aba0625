-- Grain: record, identifier type and value. A member is known by the number, by the
-- purchases that points were booked or a coupon was redeemed for, and by the addresses
-- that messages were sent to. A message to somebody without a number is a
-- record of its own, known by its address. Who followed an invitation is a record of
-- it, known by the phone that the inviter gave. Who did not is nobody's customer: their
-- phone makes no person here.
{{ config(materialized="ephemeral") }}

with

points as (

    select * from {{ ref("stg_loyalty__points") }}

),

coupons as (

    select * from {{ ref("stg_loyalty__coupons") }}

),

referrals as (

    select * from {{ ref("stg_loyalty__referrals") }}

),

messages as (

    select * from {{ ref("stg_loyalty__messages") }}

),

members as (

    select
        member_no,
        _first_known_at,
        min(coalesce(booked_at, _first_known_at)) as first_entry_at,
        max(coalesce(booked_at, _first_known_at)) as last_entry_at
    from points
    group by member_no, _first_known_at
    union all
    select
        member_no,
        _first_known_at,
        min(coalesce(issued_at, _first_known_at)) as first_entry_at,
        max(coalesce(issued_at, _first_known_at)) as last_entry_at
    from coupons
    group by member_no, _first_known_at
    union all
    select
        member_no,
        _first_known_at,
        min(coalesce(invited_at, _first_known_at)) as first_entry_at,
        max(coalesce(invited_at, _first_known_at)) as last_entry_at
    from referrals
    group by member_no, _first_known_at

),

purchases as (

    select
        member_no,
        order_id,
        min(coalesce(booked_at, _first_known_at)) as first_booked_at,
        max(coalesce(booked_at, _first_known_at)) as last_booked_at,
        _first_known_at as known_at
    from points
    where order_id is not null
    group by member_no, order_id, _first_known_at
    union all
    select
        member_no,
        order_id,
        min(coalesce(redeemed_at, redeemed_known_at)) as first_booked_at,
        max(coalesce(redeemed_at, redeemed_known_at)) as last_booked_at,
        redeemed_known_at as known_at
    from coupons
    where order_id is not null and redeemed_known_at is not null
    group by member_no, order_id, redeemed_known_at

),

invitees as (

    select * from referrals
    where joined_at is not null

),

addressed_members as (

    select
        member_no,
        phone,
        email,
        _first_known_at,
        min(coalesce(sent_at, _first_known_at)) as first_sent_at,
        max(coalesce(sent_at, _first_known_at)) as last_sent_at
    from messages
    where member_no is not null
    group by member_no, phone, email, _first_known_at

),

other_messages as (

    select * from messages
    where member_no is null

),

final as (

    {{ identifiers_of(
        "members",
        entity="members",
        record_key="member_no",
        own={"member_no": "member_no"},
        first_seen_at="first_entry_at",
        last_seen_at="last_entry_at",
    ) }}
    union all
    {{ identifiers_of(
        "purchases",
        entity="members",
        record_key="member_no",
        shown={"purchase_id": "order_id"},
        first_seen_at="first_booked_at",
        last_seen_at="last_booked_at",
        known_at="known_at",
    ) }}
    union all
    {{ identifiers_of(
        "addressed_members",
        entity="members",
        record_key="member_no",
        own={"member_no": "member_no"},
        shown={"phone": "phone", "email": "email"},
        first_seen_at="first_sent_at",
        last_seen_at="last_sent_at",
    ) }}
    union all
    {{ identifiers_of(
        "other_messages",
        entity="messages",
        record_key="message_id",
        shown={"phone": "phone", "email": "email"},
        first_seen_at="coalesce(sent_at, _first_known_at)",
        last_seen_at="coalesce(sent_at, _first_known_at)",
    ) }}
    union all
    {{ identifiers_of(
        "invitees",
        entity="invitees",
        record_key="referral_id",
        shown={"phone": "invitee_phone"},
        first_seen_at="joined_at",
        last_seen_at="joined_at",
        known_at="joined_known_at",
    ) }}

)

select * from final

-- Grain: one row an entry of points, a coupon given or used, an invitation sent or
-- followed.
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

entries as (

    select
        'loyalty:points:' || entry_id as entry_id,
        touchpoint,
        case when member_no is not null then 'members' end as person_entity,
        member_no as person_key,
        'points' as kind,
        points,
        reason,
        {{ to_decimal("null") }} as amount,
        cast(null as {{ dbt.type_string() }}) as currency,
        cast(null as {{ dbt.type_string() }}) as campaign,
        order_id,
        cast(null as {{ dbt.type_string() }}) as counterpart_entity,
        cast(null as {{ dbt.type_string() }}) as counterpart_key,
        booked_at,
        _first_known_at as known_at
    from points

),

issues as (

    select
        'loyalty:issued:' || coupon_id as entry_id,
        touchpoint,
        case when member_no is not null then 'members' end as person_entity,
        member_no as person_key,
        'coupon_issued' as kind,
        cast(null as bigint) as points,
        cast(null as {{ dbt.type_string() }}) as reason,
        face_value as amount,
        currency,
        campaign,
        cast(null as {{ dbt.type_string() }}) as order_id,
        cast(null as {{ dbt.type_string() }}) as counterpart_entity,
        cast(null as {{ dbt.type_string() }}) as counterpart_key,
        issued_at as booked_at,
        _first_known_at as known_at
    from coupons

),

redemptions as (

    select
        'loyalty:redeemed:' || coupon_id as entry_id,
        touchpoint,
        case when member_no is not null then 'members' end as person_entity,
        member_no as person_key,
        'coupon_redeemed' as kind,
        cast(null as bigint) as points,
        cast(null as {{ dbt.type_string() }}) as reason,
        face_value as amount,
        currency,
        campaign,
        order_id,
        cast(null as {{ dbt.type_string() }}) as counterpart_entity,
        cast(null as {{ dbt.type_string() }}) as counterpart_key,
        redeemed_at as booked_at,
        redeemed_known_at as known_at
    from coupons
    where redeemed_at is not null

),

invitations as (

    select
        'loyalty:sent:' || referral_id as entry_id,
        touchpoint,
        case when member_no is not null then 'members' end as person_entity,
        member_no as person_key,
        'referral_sent' as kind,
        cast(null as bigint) as points,
        cast(null as {{ dbt.type_string() }}) as reason,
        {{ to_decimal("null") }} as amount,
        cast(null as {{ dbt.type_string() }}) as currency,
        cast(null as {{ dbt.type_string() }}) as campaign,
        cast(null as {{ dbt.type_string() }}) as order_id,
        case when invitee_phone is not null then 'invitees' end as counterpart_entity,
        case when invitee_phone is not null then referral_id end as counterpart_key,
        invited_at as booked_at,
        _first_known_at as known_at
    from referrals

),

successes as (

    select
        'loyalty:joined:' || referral_id as entry_id,
        touchpoint,
        case when member_no is not null then 'members' end as person_entity,
        member_no as person_key,
        'referral_joined' as kind,
        cast(null as bigint) as points,
        cast(null as {{ dbt.type_string() }}) as reason,
        {{ to_decimal("null") }} as amount,
        cast(null as {{ dbt.type_string() }}) as currency,
        cast(null as {{ dbt.type_string() }}) as campaign,
        cast(null as {{ dbt.type_string() }}) as order_id,
        case when invitee_phone is not null then 'invitees' end as counterpart_entity,
        case when invitee_phone is not null then referral_id end as counterpart_key,
        joined_at as booked_at,
        joined_known_at as known_at
    from referrals
    where joined_at is not null

),

final as (

    select * from entries
    union all
    select * from issues
    union all
    select * from redemptions
    union all
    select * from invitations
    union all
    select * from successes

)

select * from final

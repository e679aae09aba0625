-- Grain: ds, unified_user_id.
-- Points and coupons: what the loyalty programme gave, what was used, what is left.
{{ config(materialized="ephemeral") }}
{%- set columns = {
    "points": "bigint",
    "points_earned": "bigint",
    "points_spent": "bigint",
    "points_expired": "bigint",
    "coupons_issued": "bigint",
    "coupons_redeemed": "bigint",
    "coupon_amount_redeemed": "decimal(18,4)",
} %}
{%- set rules = feature_settings().loyalty %}
with

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

loyalty as (

    select
        system,
        person_entity,
        person_key,
        kind,
        points,
        reason,
        amount,
        booked_at,
        known_at
    from {{ source("staging", "loyalty") }}
    where kind in ('points', 'coupon_issued', 'coupon_redeemed')

),

entries as (

    {{ entries_of("loyalty", "booked_at", "known_at", {
        "points": "points",
        "points_earned": "case when reason = 'earn' then points end",
        "points_spent": "case when reason = 'burn' then -points end",
        "points_expired": "case when reason = 'expire' then -points end",
        "coupons_issued": "case when kind = 'coupon_issued' then 1 end",
        "coupons_redeemed": "case when kind = 'coupon_redeemed' then 1 end",
        "coupon_amount_redeemed": "case when kind = 'coupon_redeemed' then amount end",
    }, columns) }}

),

{{ placed_entries("entries", columns) }},

windowed as (

    select
        ds,
        unified_user_id,
        {{ windowed_measures("loyalty") }},
        min(happened_on) as first_loyalty_on,
        coalesce(sum(points), 0) as points_balance,
        coalesce(sum(
            case
                when days_ago < {{ rules.points_last_days - 30 }} then points_earned
            end
        ), 0) as points_lasting,
        sum(case when days_ago between 90 and 179 then points_earned end)
            as points_earned_prior_90d,
        min(case when points_earned > 0 then days_ago end) as days_since_points_earned,
        min(case when points_spent > 0 then days_ago end) as days_since_points_spent,
        max(case when coupons_redeemed > 0 then happened_on end) as last_redeemed_on,
        min(case when coupons_redeemed > 0 then days_ago end) as days_since_redemption
    from days
    group by ds, unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        windowed.unified_user_id is not null as is_member,
        windowed.first_loyalty_on,
        coalesce(windowed.points_balance, 0) as points_balance,
        coalesce(greatest(windowed.points_balance - windowed.points_lasting, 0), 0)
            as points_expiring_30d,
        coalesce(windowed.points_earned_prior_90d, 0) as points_earned_prior_90d,
        {{ share_of("windowed.points_spent_total", "windowed.points_earned_total") }}
            as points_spent_share_total,
        case
            when windowed.unified_user_id is not null
                then {{ loyalty_level("coalesce(windowed.points_earned_365d, 0)") }}
        end as loyalty_level,
        windowed.days_since_points_earned,
        windowed.days_since_points_spent,
        windowed.last_redeemed_on,
        windowed.days_since_redemption,
        {{ share_of(
            "coalesce(windowed.coupons_redeemed_90d, 0)", "windowed.coupons_issued_90d"
        ) }} as coupon_redemption_rate_90d,
        {{ share_of(
            "coalesce(windowed.coupons_redeemed_365d, 0)", "windowed.coupons_issued_365d"
        ) }} as coupon_redemption_rate_365d,
        {{ share_of(
            "coalesce(windowed.coupons_redeemed_total, 0)", "windowed.coupons_issued_total"
        ) }} as coupon_redemption_rate_total,
        {{ measured_features("loyalty", "windowed") }}
    from users
    left join windowed
        on
            users.ds = windowed.ds
            and users.unified_user_id = windowed.unified_user_id

)

select * from final

-- Grain: ds, unified_user_id.
-- What the user does that reaches others, and whom they brought in: an invitee who
-- joined, and whom those invited, level by level.
{{ config(materialized="ephemeral") }}

with

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

windows as (

    select * from {{ ref("int_user_windows_summed") }}

),

records as (

    select
        ds,
        known_until,
        system,
        entity,
        record_key,
        unified_user_id
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null

),

tenant as (

    select max(timezone) as timezone
    from {{ source("ops", "run_dates") }}

),

sent as (

    select
        loyalty.system,
        loyalty.person_entity,
        loyalty.person_key,
        loyalty.known_at,
        {{ local_date("loyalty.booked_at", "tenant.timezone") }} as sent_on
    from {{ source("staging", "loyalty") }} as loyalty
    cross join tenant
    where loyalty.kind = 'referral_sent' and loyalty.booked_at is not null

),

referrals as (

    select * from {{ ref("int_referrals_resolved") }}

),

orders as (

    select
        ds,
        unified_user_id,
        ordered_on,
        net_amount,
        case when is_counted then 1 else 0 end as order_count
    from {{ ref("int_orders_resolved") }}

),

windowed as (

    select
        windows.ds,
        windows.unified_user_id,
        {{ summed_windows("social", "windows") }}
    from windows
    group by windows.ds, windows.unified_user_id

),

dated_invitations as (

    select
        records.ds,
        records.unified_user_id,
        sent.sent_on,
        {{ date_diff_days("sent.sent_on", "records.ds") }} as days_ago
    from records
    inner join sent
        on
            records.system = sent.system
            and records.entity = sent.person_entity
            and records.record_key = sent.person_key
            and records.ds >= sent.sent_on
            and {{ is_known("sent", "records") }}

),

invitations as (

    select
        ds,
        unified_user_id,
        count(*) as sent_total,
        {{ count_where("days_ago < 90") }} as sent_90d,
        {{ count_where("days_ago < 365") }} as sent_365d,
        max(sent_on) as last_sent_on
    from dated_invitations
    group by ds, unified_user_id

),

spent as (

    select
        referrals.ds,
        referrals.invitee_user_id,
        sum(orders.order_count) as order_count,
        sum(orders.net_amount) as net_amount,
        sum(
            case
                when orders.ordered_on > {{ date_add_days("referrals.ds", -365) }}
                    then orders.net_amount
            end
        ) as net_amount_365d
    from referrals
    inner join orders
        on
            referrals.ds = orders.ds
            and referrals.invitee_user_id = orders.unified_user_id
            and referrals.joined_on <= orders.ordered_on
    group by referrals.ds, referrals.invitee_user_id

),

invitees as (

    select
        referrals.ds,
        referrals.inviter_user_id,
        {{ date_diff_days("referrals.joined_on", "referrals.ds") }} as days_ago,
        referrals.joined_on,
        coalesce(spent.order_count, 0) as order_count,
        spent.net_amount,
        spent.net_amount_365d
    from referrals
    left join spent
        on
            referrals.ds = spent.ds
            and referrals.invitee_user_id = spent.invitee_user_id

),

brought as (

    select
        ds,
        inviter_user_id,
        count(*) as invitees_total,
        {{ count_where("days_ago < 90") }} as invitees_90d,
        {{ count_where("days_ago < 365") }} as invitees_365d,
        {{ count_where("order_count > 0") }} as invitees_bought,
        sum(order_count) as invitee_orders,
        sum(net_amount) as invitee_net_amount,
        sum(net_amount_365d) as invitee_net_amount_365d,
        max(joined_on) as last_joined_on
    from invitees
    group by ds, inviter_user_id

),

rates as (

    select
        invitations.ds,
        invitations.unified_user_id,
        least(
            cast(coalesce(brought.invitees_total, 0) as double)
            / invitations.sent_total,
            1
        ) as success_rate
    from invitations
    left join brought
        on
            invitations.ds = brought.ds
            and invitations.unified_user_id = brought.inviter_user_id

),

descents as (

    {{ descents("referrals") }}

),

trees as (

    select
        ds,
        ancestor_user_id,
        count(*) as descendant_count,
        max(levels_down) as levels_down
    from descents
    group by ds, ancestor_user_id

),

invited as (

    select
        ds,
        invitee_user_id,
        joined_on,
        {{ ancestor_count() }} as levels_up
    from referrals

),

final as (

    select
        users.ds,
        users.unified_user_id,
        coalesce(invitations.sent_90d, 0) as invitations_90d,
        coalesce(invitations.sent_365d, 0) as invitations_365d,
        coalesce(invitations.sent_total, 0) as invitations_total,
        invitations.last_sent_on as last_invitation_on,
        {{ date_diff_days("invitations.last_sent_on", "users.ds") }}
            as days_since_invitation,
        coalesce(brought.invitees_90d, 0) as invitees_90d,
        coalesce(brought.invitees_365d, 0) as invitees_365d,
        coalesce(brought.invitees_total, 0) as invitees_total,
        brought.last_joined_on as last_invitee_on,
        coalesce(brought.invitees_bought, 0) as invitees_bought_total,
        coalesce(brought.invitee_orders, 0) as invitee_orders_total,
        coalesce(brought.invitee_net_amount, 0) as invitee_net_amount_total,
        coalesce(brought.invitee_net_amount_365d, 0) as invitee_net_amount_365d,
        rates.success_rate as invitation_success_rate,
        cast(brought.invitees_bought as double) / brought.invitees_total
            as invitee_buyer_share,
        rates.success_rate * invitations.sent_365d as viral_coefficient_365d,
        coalesce(trees.descendant_count, 0) as referral_descendants,
        coalesce(trees.levels_down, 0) as referral_depth,
        invited.invitee_user_id is not null as is_invited,
        coalesce(invited.levels_up, 0) as referral_level,
        invited.joined_on as invited_on,
        {{ measured_features("social", "windowed") }}
    from users
    left join windowed
        on
            users.ds = windowed.ds
            and users.unified_user_id = windowed.unified_user_id
    left join invitations
        on
            users.ds = invitations.ds
            and users.unified_user_id = invitations.unified_user_id
    left join brought
        on
            users.ds = brought.ds
            and users.unified_user_id = brought.inviter_user_id
    left join rates
        on
            users.ds = rates.ds
            and users.unified_user_id = rates.unified_user_id
    left join trees
        on
            users.ds = trees.ds
            and users.unified_user_id = trees.ancestor_user_id
    left join invited
        on
            users.ds = invited.ds
            and users.unified_user_id = invited.invitee_user_id

)

select * from final

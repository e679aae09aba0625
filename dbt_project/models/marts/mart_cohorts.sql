-- Grain: cohort_kind, cohort_month_on, period_no.
-- What became of the users who were first seen, or first ordered, in a month: how many
-- were active, came back, bought again, and what they spent, month by month. Figures of
-- fewer users than the smallest cell of config/features.yml are withheld.
with

newest as (

    select ds
    from {{ source("ops", "run_dates") }}
    where ds = {{ newest_day() }}

),

user_days as (

    select
        first_ds,
        last_ds,
        unified_user_id,
        activity_on,
        currency,
        activity_count,
        order_count,
        net_amount
    from {{ ref("int_user_days_gathered") }}

),

profiles as (

    select
        ds,
        unified_user_id,
        first_seen_on
    from {{ ref("feat_profile") }}

),

referrals as (

    select
        ds,
        inviter_user_id,
        joined_on
    from {{ ref("int_referrals_resolved") }}

),

user_months as (

    select
        user_days.unified_user_id,
        {{ month_start("user_days.activity_on") }} as month_on,
        min(user_days.currency) as least_currency,
        max(user_days.currency) as greatest_currency,
        sum(user_days.activity_count) as activity_count,
        sum(user_days.order_count) as order_count,
        sum(user_days.net_amount) as net_amount
    from user_days
    inner join newest
        on
            user_days.first_ds <= newest.ds
            and user_days.last_ds >= newest.ds
    group by
        user_days.unified_user_id,
        {{ month_start("user_days.activity_on") }}

),

invitee_months as (

    select
        referrals.inviter_user_id as unified_user_id,
        {{ month_start("referrals.joined_on") }} as month_on,
        count(*) as invitees
    from referrals
    inner join newest on referrals.ds = newest.ds
    group by
        referrals.inviter_user_id,
        {{ month_start("referrals.joined_on") }}

),

first_orders as (

    select
        unified_user_id,
        min(month_on) as cohort_month_on
    from user_months
    where order_count > 0
    group by unified_user_id

),

members as (

    select
        'first_order' as cohort_kind,
        unified_user_id,
        cohort_month_on
    from first_orders
    union all
    select
        'first_seen' as cohort_kind,
        profiles.unified_user_id,
        {{ month_start("profiles.first_seen_on") }} as cohort_month_on
    from profiles
    inner join newest on profiles.ds = newest.ds
    where profiles.first_seen_on is not null

),

cohorts as (

    select
        cohort_kind,
        cohort_month_on,
        count(*) as user_count
    from members
    group by cohort_kind, cohort_month_on

),

months as (

    select month_on from user_months
    union distinct
    select {{ month_start("ds") }} as month_on from newest

),

user_history as (

    select
        *,
        lag(month_on) over (
            partition by unified_user_id
            order by month_on
        ) as active_before_on,
        sum(order_count) over (
            partition by unified_user_id
            order by month_on
            rows between unbounded preceding and current row
        ) as orders_so_far
    from user_months
    where activity_count > 0 or net_amount <> 0

),

member_months as (

    select
        members.cohort_kind,
        members.cohort_month_on,
        user_history.month_on,
        sum(case when user_history.activity_count > 0 then 1 else 0 end)
            as active_count,
        sum(
            case
                when
                    user_history.activity_count > 0
                    and {{ months_between(
                        "user_history.active_before_on", "user_history.month_on"
                    ) }} = 1
                    then 1
                else 0
            end
        ) as retained_count,
        sum(case when user_history.order_count > 0 then 1 else 0 end) as buyer_count,
        -- whose second order came in this month
        sum(
            case
                when
                    user_history.orders_so_far > 1
                    and user_history.orders_so_far - user_history.order_count < 2
                    then 1
                else 0
            end
        ) as new_repurchasers,
        sum(
            case
                when
                    user_history.orders_so_far > 0
                    and user_history.orders_so_far = user_history.order_count
                    and user_history.order_count > 0
                    then 1
                else 0
            end
        ) as new_buyers,
        sum(user_history.order_count) as orders,
        sum(user_history.net_amount) as revenue,
        min(user_history.least_currency) as least_currency,
        max(user_history.greatest_currency) as greatest_currency
    from members
    inner join user_history
        on members.unified_user_id = user_history.unified_user_id
    group by
        members.cohort_kind,
        members.cohort_month_on,
        user_history.month_on

),

member_invitees as (

    select
        members.cohort_kind,
        members.cohort_month_on,
        invitee_months.month_on,
        sum(invitee_months.invitees) as invitees
    from members
    inner join invitee_months
        on members.unified_user_id = invitee_months.unified_user_id
    group by
        members.cohort_kind,
        members.cohort_month_on,
        invitee_months.month_on

),

filled as (

    select
        cohorts.cohort_kind,
        cohorts.cohort_month_on,
        months.month_on as period_month_on,
        {{ months_between("cohorts.cohort_month_on", "months.month_on") }}
            as period_no,
        cohorts.user_count,
        coalesce(member_months.active_count, 0) as active_count,
        coalesce(member_months.retained_count, 0) as retained_count,
        coalesce(member_months.buyer_count, 0) as buyer_count,
        coalesce(member_months.new_buyers, 0) as new_buyers,
        coalesce(member_months.new_repurchasers, 0) as new_repurchasers,
        coalesce(member_months.orders, 0) as orders,
        coalesce(member_months.revenue, 0) as revenue,
        coalesce(member_invitees.invitees, 0) as invitees,
        member_months.least_currency,
        member_months.greatest_currency
    from cohorts
    inner join months on cohorts.cohort_month_on <= months.month_on
    left join member_months
        on
            cohorts.cohort_kind = member_months.cohort_kind
            and cohorts.cohort_month_on = member_months.cohort_month_on
            and months.month_on = member_months.month_on
    left join member_invitees
        on
            cohorts.cohort_kind = member_invitees.cohort_kind
            and cohorts.cohort_month_on = member_invitees.cohort_month_on
            and months.month_on = member_invitees.month_on

),

summed as (

    select
        filled.*,
        {{ running_sums(
            ["new_buyers", "new_repurchasers", "orders", "revenue", "invitees"],
            partition_by=["cohort_kind", "cohort_month_on"],
            order_by="period_month_on",
        ) }},
        min(filled.least_currency) over (
            partition by filled.cohort_kind, filled.cohort_month_on
        ) as cohort_least_currency,
        max(filled.greatest_currency) over (
            partition by filled.cohort_kind, filled.cohort_month_on
        ) as cohort_greatest_currency
    from filled

),

shown as (

    select
        summed.*,
        {{ is_shown("user_count") }} as has_users,
        {{ is_shown("user_count") }} and {{ is_shown("active_count") }} as has_active,
        {{ is_shown("user_count") }} and {{ is_shown("retained_count") }}
            as has_retained,
        {{ is_shown("user_count") }} and {{ is_shown("buyer_count") }} as has_sales,
        {{ is_shown("user_count") }} and {{ is_shown("new_buyers_so_far") }}
            as has_value,
        {{ is_shown("user_count") }} and {{ is_shown("new_repurchasers_so_far") }}
            as has_repurchasers,
        {{ is_shown("user_count") }} and {{ is_shown("invitees_so_far") }}
            as has_invitees
    from summed

),

final as (

    select
        shown.cohort_kind,
        shown.cohort_month_on,
        cast(shown.period_no as integer) as period_no,
        shown.period_month_on,
        {{ month_start(date_add_days("newest.ds", 1)) }} > shown.period_month_on
            as is_complete,
        {{ shown_if("shown.has_users", "shown.user_count") }} as user_count,
        {{ shown_if("shown.has_active", "shown.active_count") }} as active_users,
        {{ shown_if("shown.has_retained", "shown.retained_count") }} as retained_users,
        {{ shown_if("shown.has_sales", "shown.buyer_count") }} as buyers,
        {{ shown_if("shown.has_repurchasers", "shown.new_repurchasers_so_far") }}
            as repurchasers,
        case
            when shown.has_active
                then round(cast(shown.active_count as double) / shown.user_count, 9)
        end as retention_rate,
        {{ shown_if("shown.has_sales", "shown.orders") }} as orders,
        {{ shown_if("shown.has_sales", "shown.revenue", "decimal(18, 4)") }} as revenue,
        {{ shown_if("shown.has_value", "shown.revenue_so_far", "decimal(18, 4)") }}
            as cumulative_revenue,
        case
            when shown.has_value
                then round(cast(shown.revenue_so_far as double) / shown.user_count, 9)
        end as cumulative_ltv,
        case
            when shown.cohort_least_currency = shown.cohort_greatest_currency
                then shown.cohort_least_currency
        end as currency,
        {{ shown_if("shown.has_invitees", "shown.invitees_so_far") }}
            as cumulative_invitees,
        case
            when shown.has_invitees
                then round(cast(shown.invitees_so_far as double) / shown.user_count, 9)
        end as viral_coefficient,
        not shown.has_active
        or not shown.has_retained
        or not shown.has_sales
        or not shown.has_value
        or not shown.has_repurchasers
        or not shown.has_invitees as is_withheld,
        {{ run_id() }} as _run_id
    from shown
    cross join newest

)

select * from final

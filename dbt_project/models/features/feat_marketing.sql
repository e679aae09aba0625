-- Grain: ds, unified_user_id.
-- What marketing did to reach the user, what came back, and what it cost. The cost of a
-- campaign's day on a touchpoint is shared out over all its touches of that day, those
-- of nobody known among them; what was known of both counts.
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

run_dates as (

    select
        ds,
        known_until
    from {{ source("ops", "run_dates") }}

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

touch_days as (

    select * from {{ ref("int_touch_days_counted") }}

),

ad_costs as (

    select
        system,
        touchpoint,
        campaign,
        spent_on,
        cost,
        known_at
    from {{ source("staging", "ad_costs") }}

),

orders as (

    select
        ds,
        unified_user_id,
        min(ordered_on) as first_order_on,
        sum(
            case
                when ordered_on > {{ date_add_days("ds", -365) }} then net_amount
            end
        ) as net_amount_365d
    from {{ ref("int_orders_resolved") }}
    where is_counted
    group by ds, unified_user_id

),

windowed as (

    select
        windows.ds,
        windows.unified_user_id,
        {{ summed_windows("marketing", "windows") }}
    from windows
    group by windows.ds, windows.unified_user_id

),

contacts as (

    select
        records.ds,
        records.unified_user_id,
        touch_days.system,
        touch_days.touchpoint,
        touch_days.campaign,
        touch_days.touched_on,
        {{ date_diff_days("touch_days.touched_on", "records.ds") }} as days_ago,
        sum(touch_days.touch_count) as touch_count,
        sum(touch_days.opened_count) as opened_count,
        sum(touch_days.clicked_count) as clicked_count
    from records
    inner join touch_days
        on
            records.system = touch_days.system
            and records.entity = touch_days.entity
            and records.record_key = touch_days.record_key
            and records.ds >= touch_days.touched_on
            and {{ is_known("touch_days", "records") }}
    group by
        records.ds,
        records.unified_user_id,
        touch_days.system,
        touch_days.touchpoint,
        touch_days.campaign,
        touch_days.touched_on

),

billed as (

    select
        run_dates.ds,
        ad_costs.system,
        ad_costs.touchpoint,
        coalesce(ad_costs.campaign, '') as campaign,
        ad_costs.spent_on,
        sum(ad_costs.cost) as cost
    from run_dates
    inner join ad_costs
        on
            run_dates.ds >= ad_costs.spent_on
            and {{ is_known("ad_costs", "run_dates") }}
    group by
        run_dates.ds,
        ad_costs.system,
        ad_costs.touchpoint,
        coalesce(ad_costs.campaign, ''),
        ad_costs.spent_on

),

prices as (

    select
        billed.ds,
        billed.system,
        billed.touchpoint,
        billed.campaign,
        billed.spent_on,
        cast(billed.cost as double) as cost,
        sum(touch_days.touch_count) as touch_count
    from billed
    inner join run_dates on billed.ds = run_dates.ds
    inner join touch_days
        on
            billed.system = touch_days.system
            and billed.touchpoint = touch_days.touchpoint
            and billed.campaign = coalesce(touch_days.campaign, '')
            and billed.spent_on = touch_days.touched_on
            and {{ is_known("touch_days", "run_dates") }}
    where touch_days.touch_count > 0
    group by
        billed.ds,
        billed.system,
        billed.touchpoint,
        billed.campaign,
        billed.spent_on,
        billed.cost

),

priced as (

    select
        contacts.ds,
        contacts.unified_user_id,
        contacts.touchpoint,
        contacts.campaign,
        contacts.touched_on,
        contacts.days_ago,
        contacts.touch_count,
        contacts.opened_count,
        contacts.clicked_count,
        {{ amount_per(
            "contacts.touch_count * prices.cost", "prices.touch_count"
        ) }} as contact_cost
    from contacts
    left join prices
        on
            contacts.ds = prices.ds
            and contacts.system = prices.system
            and contacts.touchpoint = prices.touchpoint
            and coalesce(contacts.campaign, '') = prices.campaign
            and contacts.touched_on = prices.spent_on

),

contact_days as (

    select
        priced.ds,
        priced.unified_user_id,
        priced.days_ago,
        {{ channel_contacts("priced") }},
        sum(priced.contact_cost) as contact_cost
    from priced
    group by priced.ds, priced.unified_user_id, priced.days_ago

),

contacted as (

    select
        contact_days.ds,
        contact_days.unified_user_id,
        {{ windowed_rows("contact_days", "contact_days") }},
        {{ summed_contacts("contact_days", 90) }},
        sum(
            case
                when contact_days.days_ago < 7
                    then {{ messages_sent("contact_days") }}
            end
        ) as messages_7d,
        sum(
            case
                when contact_days.days_ago < 30
                    then {{ messages_sent("contact_days") }}
            end
        ) as messages_30d,
        min(
            case
                when {{ messages_sent("contact_days") }} > 0
                    then contact_days.days_ago
            end
        ) as last_message_days
    from contact_days
    group by contact_days.ds, contact_days.unified_user_id

),

placed as (

    select
        *,
        row_number() over (
            partition by ds, unified_user_id
            order by touched_on asc, touchpoint asc, campaign asc
        ) as first_place,
        row_number() over (
            partition by ds, unified_user_id
            order by touched_on desc, touchpoint asc, campaign asc
        ) as last_place
    from priced
    where touch_count > 0

),

touched as (

    select
        placed.ds,
        placed.unified_user_id,
        min(placed.touched_on) as first_touched_on,
        max(placed.touched_on) as last_touched_on,
        max(case when placed.first_place = 1 then placed.touchpoint end)
            as first_touchpoint,
        max(case when placed.last_place = 1 then placed.touchpoint end)
            as last_touchpoint,
        max(case when placed.last_place = 1 then placed.campaign end) as last_campaign,
        count(distinct case when placed.days_ago < 30 then placed.campaign end)
            as campaign_count_30d,
        count(distinct case when placed.days_ago < 90 then placed.campaign end)
            as campaign_count_90d,
        count(distinct case when placed.days_ago < 365 then placed.campaign end)
            as campaign_count_365d,
        count(distinct case when placed.days_ago < 90 then placed.touchpoint end)
            as touchpoint_count_90d,
        sum(
            case
                when
                    orders.first_order_on is null
                    or placed.touched_on <= orders.first_order_on
                    then placed.touch_count
            end
        ) as touches_before_order,
        sum(
            case
                when
                    orders.first_order_on is null
                    or placed.touched_on <= orders.first_order_on
                    then placed.contact_cost
            end
        ) as acquisition_cost
    from placed
    left join orders
        on
            placed.ds = orders.ds
            and placed.unified_user_id = orders.unified_user_id
    group by placed.ds, placed.unified_user_id

),

answers as (

    select
        ds,
        unified_user_id,
        max(touched_on) as last_answer_on,
        count(distinct case when days_ago < 90 then campaign end)
            as answered_campaigns_90d
    from priced
    where opened_count > 0 or clicked_count > 0
    group by ds, unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        coalesce(touched.campaign_count_30d, 0) as campaign_count_30d,
        coalesce(touched.campaign_count_90d, 0) as campaign_count_90d,
        coalesce(touched.campaign_count_365d, 0) as campaign_count_365d,
        coalesce(answers.answered_campaigns_90d, 0) as answered_campaign_count_90d,
        coalesce(touched.touchpoint_count_90d, 0) as touchpoint_count_90d,
        coalesce(contacted.messages_7d, 0) as message_count_7d,
        coalesce(contacted.messages_30d, 0) as message_count_30d,
        {{ response_rate("contacted", "email", "opened") }} as email_opened_rate_90d,
        {{ response_rate("contacted", "push", "opened") }} as push_opened_rate_90d,
        {{ response_rate("contacted", "email", "clicked") }} as email_clicked_rate_90d,
        {{ response_rate("contacted", "sms", "clicked") }} as sms_clicked_rate_90d,
        touched.first_touched_on,
        touched.first_touchpoint,
        touched.last_touched_on,
        touched.last_touchpoint,
        touched.last_campaign,
        {{ date_diff_days("touched.last_touched_on", "users.ds") }} as days_since_touch,
        contacted.last_message_days as days_since_message,
        answers.last_answer_on,
        {{ date_diff_days("answers.last_answer_on", "users.ds") }} as days_since_answer,
        coalesce(touched.touches_before_order, 0) as touches_before_first_order,
        case
            when orders.first_order_on >= touched.first_touched_on
                then {{ date_diff_days(
                    "touched.first_touched_on", "orders.first_order_on"
                ) }}
        end as days_touch_to_first_order,
        coalesce(touched.acquisition_cost, 0) as acquisition_cost,
        round(
            cast(contacted.contact_cost_365d as double)
            / nullif(cast(orders.net_amount_365d as double), 0),
            9
        ) as contact_cost_share_365d,
        {{ row_features("contact_days", "contacted") }},
        {{ measured_features("marketing", "windowed") }}
    from users
    left join windowed
        on
            users.ds = windowed.ds
            and users.unified_user_id = windowed.unified_user_id
    left join contacted
        on
            users.ds = contacted.ds
            and users.unified_user_id = contacted.unified_user_id
    left join touched
        on
            users.ds = touched.ds
            and users.unified_user_id = touched.unified_user_id
    left join answers
        on
            users.ds = answers.ds
            and users.unified_user_id = answers.unified_user_id
    left join orders
        on
            users.ds = orders.ds
            and users.unified_user_id = orders.unified_user_id

)

select * from final

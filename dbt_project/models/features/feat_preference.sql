-- Grain: ds, unified_user_id.
-- Where, when and for what the user comes, and how much the price matters.
{{ config(materialized="ephemeral") }}
{%- set bands = feature_settings().prices %}
with

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

windows as (

    select
        ds,
        unified_user_id,
        channel_group,
        {{ is_within(90) }} as is_within_90d,
        net_amount,
        order_count,
        event_count,
        activity_count,
        weekend_activity_count,
        night_activity_count,
        {{ preference_day_columns() }}
    from {{ ref("int_user_windows_summed") }}
    where activity_count > 0 and {{ is_within(365) }}

),

channel_days as (

    select
        ds,
        unified_user_id,
        channel_group,
        {{ count_marks("activity_count_marks", 365) }} as active_days
    from {{ ref("int_user_days_marked") }}
    group by ds, unified_user_id, channel_group

),

run_dates as (

    select
        ds,
        known_until
    from {{ source("ops", "run_dates") }}

),

orders as (

    select
        ds,
        unified_user_id,
        order_id
    from {{ ref("int_orders_resolved") }}
    where is_counted and ordered_on > {{ date_add_days("ds", -365) }}

),

order_lines as (

    select
        order_id,
        category,
        unit_price,
        discount_amount,
        net_amount,
        known_at
    from {{ source("staging", "order_lines") }}
    where coalesce(category, '') <> 'non_product' and net_amount > 0

),

redemptions as (

    select
        order_id,
        known_at
    from {{ source("staging", "loyalty") }}
    where kind = 'coupon_redeemed' and order_id is not null

),

categories as (

    select
        ds,
        unified_user_id,
        category,
        net_amount,
        event_count
    from {{ ref("int_user_categories_summed") }}

),

summed_channels as (

    select
        ds,
        unified_user_id,
        channel_group,
        {{ sum_within("activity_count", 90) }} as activity_90d,
        sum(net_amount) as net_amount,
        sum(order_count) as order_count
    from windows
    group by ds, unified_user_id, channel_group

),

channels as (

    select
        summed_channels.ds,
        summed_channels.unified_user_id,
        summed_channels.channel_group,
        summed_channels.activity_90d,
        summed_channels.order_count,
        row_number() over (
            partition by summed_channels.ds, summed_channels.unified_user_id
            order by
                channel_days.active_days desc,
                summed_channels.net_amount desc,
                summed_channels.channel_group asc
        ) as preference_rank,
        row_number() over (
            partition by summed_channels.ds, summed_channels.unified_user_id
            order by summed_channels.order_count desc, summed_channels.channel_group asc
        ) as order_rank
    from summed_channels
    inner join channel_days
        on
            summed_channels.ds = channel_days.ds
            and summed_channels.unified_user_id = channel_days.unified_user_id
            and summed_channels.channel_group = channel_days.channel_group

),

shared_channels as (

    select
        *,
        cast(activity_90d as double)
        / nullif(sum(activity_90d) over (partition by ds, unified_user_id), 0)
            as share_90d
    from channels

),

favourite_channels as (

    select
        ds,
        unified_user_id,
        max(case when preference_rank = 1 then channel_group end)
            as favourite_channel_365d,
        max(case when order_rank = 1 and order_count > 0 then channel_group end)
            as order_channel_365d,
        count(*) as channel_count_365d,
        {{ count_where("activity_90d > 0") }} as channel_count_90d,
        -- rounded, since the order of the sum could show in the last digit
        abs(round(sum(-share_90d * ln(nullif(share_90d, 0)) / ln(2)), 9))
            as channel_entropy_90d,
        {{ channel_shares() }},
        sum(activity_90d) as activity_90d
    from shared_channels
    group by ds, unified_user_id

),

ranked_categories as (

    select
        ds,
        unified_user_id,
        category,
        row_number() over (
            partition by ds, unified_user_id
            order by net_amount desc, event_count desc, category asc
        ) as preference_rank
    from categories

),

favourite_categories as (

    select
        ds,
        unified_user_id,
        category
    from ranked_categories
    where preference_rank = 1

),

hours as (

    select
        ds,
        unified_user_id,
        cast(sum(case when is_within_90d then night_activity_count end) as double)
        / sum(case when is_within_90d then activity_count end) as night_share_90d,
        cast(
            sum(case when is_within_90d then weekend_activity_count end) as double
        )
        / sum(case when is_within_90d then activity_count end) as weekend_share_90d,
        {{ preference_sums() }}
    from windows
    group by ds, unified_user_id

),

bought as (

    select
        orders.ds,
        orders.unified_user_id,
        order_lines.category,
        order_lines.unit_price,
        order_lines.discount_amount,
        order_lines.net_amount,
        coalesce(order_lines.discount_amount, 0) > 0 as is_discounted
    from orders
    inner join run_dates on orders.ds = run_dates.ds
    inner join order_lines
        on
            orders.order_id = order_lines.order_id
            and {{ is_known("order_lines", "run_dates") }}

),

medians as (

    select
        ds,
        category,
        {{ median("unit_price") }} as median_price
    from bought
    where category is not null and unit_price > 0
    group by ds, category

),

prices as (

    select
        bought.ds,
        bought.unified_user_id,
        count(*) as line_count,
        {{ count_where("bought.is_discounted") }} as discounted_line_count,
        sum(case when bought.is_discounted then bought.discount_amount end)
            as discount_amount,
        sum(
            case
                when bought.is_discounted
                    then bought.net_amount + bought.discount_amount
            end
        ) as discounted_gross_amount,
        sum(case when not bought.is_discounted then bought.net_amount end)
            as full_price_amount,
        sum(bought.net_amount) as net_amount,
        count(medians.median_price) as compared_line_count,
        {{ count_where("bought.unit_price < medians.median_price") }}
            as below_median_line_count,
        -- decimals add up to the same in any order, doubles do not
        cast(sum({{ decimal_of_double(
            "cast(bought.unit_price as double) / medians.median_price", scale=9
        ) }}) as double) / nullif(count(medians.median_price), 0) as price_index
    from bought
    left join medians
        on
            bought.ds = medians.ds
            and bought.category = medians.category
            and bought.unit_price > 0
    group by bought.ds, bought.unified_user_id

),

coupon_orders as (

    select
        'store:order:' || order_id as order_id,
        known_at
    from redemptions
    union all
    select
        'pos:' || order_id as order_id,
        known_at
    from redemptions

),

first_coupon_orders as (

    select
        order_id,
        min(known_at) as known_at
    from coupon_orders
    group by order_id

),

coupons as (

    select
        orders.ds,
        orders.unified_user_id,
        count(*) as order_count,
        count(first_coupon_orders.order_id) as coupon_order_count
    from orders
    inner join run_dates on orders.ds = run_dates.ds
    left join first_coupon_orders
        on
            orders.order_id = first_coupon_orders.order_id
            and {{ is_known("first_coupon_orders", "run_dates") }}
    group by orders.ds, orders.unified_user_id

),

paid as (

    select
        coupons.ds,
        coupons.unified_user_id,
        {{ share_of("coupons.coupon_order_count", "coupons.order_count") }}
            as coupon_order_share_365d,
        {{ share_of("prices.discounted_line_count", "prices.line_count") }}
            as discounted_line_share_365d,
        {{ share_of("prices.discount_amount", "prices.discounted_gross_amount") }}
            as discount_depth_365d,
        {{ share_of("coalesce(prices.full_price_amount, 0)", "prices.net_amount") }}
            as full_price_spend_share_365d,
        {{ share_of("prices.below_median_line_count", "prices.compared_line_count") }}
            as below_median_line_share_365d,
        prices.price_index as price_index_365d
    from coupons
    left join prices
        on
            coupons.ds = prices.ds
            and coupons.unified_user_id = prices.unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        favourite_channels.favourite_channel_365d,
        favourite_categories.category as favourite_category_365d,
        hours.night_share_90d,
        hours.weekend_share_90d,
        {{ highest_of(hour_sums("events", "90d")) }} as peak_hours_90d,
        {{ entropy_of(
            hour_sums("events", "90d").values(), "nullif(hours.event_count_90d, 0)"
        ) }} as hours_entropy_90d,
        coalesce(
            {{ highest_of(hour_sums("reads", "365d")) }},
            {{ highest_of(hour_sums("events", "365d")) }}
        ) as best_contact_hours,
        {{ highest_of(scenario_sums()) }} as favourite_scenario_90d,
        coalesce(favourite_channels.channel_count_90d, 0) as channel_count_90d,
        coalesce(favourite_channels.channel_count_365d, 0) as channel_count_365d,
        favourite_channels.channel_entropy_90d,
        favourite_channels.order_channel_365d,
        paid.discounted_line_share_365d,
        paid.discount_depth_365d,
        paid.full_price_spend_share_365d,
        paid.price_index_365d,
        case
            when paid.price_index_365d < {{ bands.low_below }} then 'low'
            when paid.price_index_365d <= {{ bands.high_above }} then 'mid'
            when paid.price_index_365d > {{ bands.high_above }} then 'high'
        end as price_band_365d,
        paid.below_median_line_share_365d,
        paid.coupon_order_share_365d,
        case
            when paid.discounted_line_share_365d is not null
                then (
                    paid.discounted_line_share_365d
                    + paid.coupon_order_share_365d
                    + coalesce(paid.below_median_line_share_365d, 0)
                ) / case
                    when paid.below_median_line_share_365d is null then 2 else 3
                end
        end as price_sensitivity_365d,
        {{ hour_shares() }},
        {{ known_channel_shares("favourite_channels") }}
    from users
    left join favourite_channels
        on
            users.ds = favourite_channels.ds
            and users.unified_user_id = favourite_channels.unified_user_id
    left join favourite_categories
        on
            users.ds = favourite_categories.ds
            and users.unified_user_id = favourite_categories.unified_user_id
    left join hours
        on
            users.ds = hours.ds
            and users.unified_user_id = hours.unified_user_id
    left join paid
        on
            users.ds = paid.ds
            and users.unified_user_id = paid.unified_user_id

)

select * from final

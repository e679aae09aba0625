-- Grain: ds, unified_user_id.
-- What the user buys: how recently, how often, for how much, at what margin.
{{ config(materialized="ephemeral") }}

with

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

days as (

    select
        ds,
        unified_user_id,
        activity_on,
        days_ago,
        gross_amount,
        discount_amount,
        refund_amount,
        costed_net_amount,
        margin_amount,
        {{ measured_columns("consumption") }}
    from {{ ref("int_user_days_summed") }}
    where
        {{ has_measures("consumption", [
            "gross_amount",
            "discount_amount",
            "refund_amount",
            "costed_net_amount",
            "margin_amount",
        ]) }}

),

histories as (

    select
        ds,
        unified_user_id,
        currency,
        first_order_on,
        last_order_on,
        recency_days,
        clv_x,
        clv_t_x,
        clv_t,
        clv_mean_spend
    from {{ ref("int_order_days_counted") }}

),

category_lines as (

    select
        ds,
        unified_user_id,
        line_count,
        sum(line_count) over (partition by ds, unified_user_id) as all_line_count
    from {{ ref("int_user_categories_summed") }}
    where line_count > 0

),

windowed as (

    select
        days.ds,
        days.unified_user_id,
        {{ windowed_measures("consumption", "days") }}
    from days
    group by days.ds, days.unified_user_id

),

years as (

    select
        ds,
        unified_user_id,
        sum(gross_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(refund_amount) as refund_amount,
        sum(costed_net_amount) as costed_net_amount,
        sum(margin_amount) as margin_amount
    from days
    where days_ago < 365
    group by ds, unified_user_id

),

rates as (

    select
        ds,
        unified_user_id,
        case
            when gross_amount > discount_amount
                then least(
                    cast(refund_amount as double)
                    / cast(gross_amount - discount_amount as double),
                    1
                )
        end as refund_rate_365d,
        case
            when gross_amount > 0
                then cast(discount_amount as double) / cast(gross_amount as double)
        end as discount_share_365d,
        case
            when costed_net_amount > 0
                then cast(margin_amount as double) / cast(costed_net_amount as double)
        end as margin_rate_365d
    from years

),

varieties as (

    select
        ds,
        unified_user_id,
        count(*) as category_count_365d,
        -- rounded, since the order of the sum could show in the last digit
        abs(round(
            sum(
                -(cast(line_count as double) / all_line_count)
                * ln(cast(line_count as double) / all_line_count)
                / ln(2)
            ),
            9
        )) as category_entropy_365d
    from category_lines
    group by ds, unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        histories.currency,
        histories.first_order_on,
        histories.last_order_on,
        histories.recency_days,
        case
            when windowed.order_count_365d > 0
                then windowed.net_amount_365d / windowed.order_count_365d
        end as avg_order_value_365d,
        rates.refund_rate_365d,
        rates.discount_share_365d,
        rates.margin_rate_365d,
        coalesce(varieties.category_count_365d, 0) as category_count_365d,
        varieties.category_entropy_365d,
        histories.clv_x,
        histories.clv_t_x,
        histories.clv_t,
        histories.clv_mean_spend,
        {{ measured_features("consumption", "windowed") }}
    from users
    left join windowed
        on
            users.ds = windowed.ds
            and users.unified_user_id = windowed.unified_user_id
    left join histories
        on
            users.ds = histories.ds
            and users.unified_user_id = histories.unified_user_id
    left join rates
        on
            users.ds = rates.ds
            and users.unified_user_id = rates.unified_user_id
    left join varieties
        on
            users.ds = varieties.ds
            and users.unified_user_id = varieties.unified_user_id

)

select * from final

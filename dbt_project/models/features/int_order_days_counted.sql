-- Grain: ds, unified_user_id.
-- The buying history that BG/NBD and Gamma-Gamma ask for, in distinct order days of
-- the tenant's calendar, weeks as days / 7. What is returned on the day it was bought
-- is taken off that day's spend; a day left without spend tells nothing about the size
-- of a purchase and is not averaged.
{{ config(materialized="ephemeral") }}

with

orders as (

    select
        ds,
        unified_user_id,
        ordered_on,
        is_counted,
        currency,
        net_amount
    from {{ ref("int_orders_resolved") }}

),

order_days as (

    select
        ds,
        unified_user_id,
        ordered_on,
        max(currency) as currency,
        sum(net_amount) as net_amount
    from orders
    group by ds, unified_user_id, ordered_on
    having {{ count_where("is_counted") }} > 0

),

placed as (

    select
        ds,
        unified_user_id,
        ordered_on,
        currency,
        net_amount,
        min(ordered_on) over (partition by ds, unified_user_id) as first_order_on
    from order_days

),

repeated as (

    select
        ds,
        unified_user_id,
        ordered_on,
        first_order_on,
        currency,
        case
            when ordered_on > first_order_on and net_amount > 0 then net_amount
        end as repeat_amount
    from placed

),

counted as (

    select
        ds,
        unified_user_id,
        max(currency) as currency,
        min(ordered_on) as first_order_on,
        max(ordered_on) as last_order_on,
        count(*) - 1 as clv_x,
        cast(sum(repeat_amount) as double) / count(repeat_amount) as clv_mean_spend
    from repeated
    group by ds, unified_user_id

),

final as (

    select
        ds,
        unified_user_id,
        currency,
        first_order_on,
        last_order_on,
        {{ date_diff_days("last_order_on", "ds") }} as recency_days,
        clv_x,
        {{ date_diff_days("first_order_on", "last_order_on") }} / cast(7 as double)
            as clv_t_x,
        {{ date_diff_days("first_order_on", "ds") }} / cast(7 as double) as clv_t,
        clv_mean_spend
    from counted

)

select * from final

-- Grain: order_id.
-- Completed orders and returns as metrics count them. A sale is a completed order with
-- a positive net amount; the sales of a user are numbered in their order of time, so
-- that cohorts can be followed.
with

orders as (

    select
        order_id,
        unified_user_id,
        system,
        touchpoint,
        campaign,
        currency,
        ordered_at,
        ordered_on,
        is_return,
        gross_amount,
        discount_amount,
        refund_amount,
        net_amount,
        margin_amount,
        units,
        coalesce(not is_return and net_amount > 0, false) as is_sale
    from {{ source("marts", "fct_orders") }}
    where status = 'completed'

),

numbered as (

    select
        orders.order_id,
        orders.unified_user_id,
        orders.system,
        orders.touchpoint,
        orders.campaign,
        orders.currency,
        orders.ordered_at,
        orders.ordered_on,
        orders.is_return,
        orders.is_sale,
        orders.gross_amount,
        orders.discount_amount,
        orders.refund_amount,
        orders.net_amount,
        orders.margin_amount,
        orders.units,
        case
            when orders.is_sale and orders.unified_user_id is not null
                then row_number() over (
                    partition by orders.unified_user_id, orders.is_sale
                    order by orders.ordered_at asc, orders.order_id asc
                )
        end as sale_number,
        min(case when orders.is_sale then orders.ordered_on end) over (
            partition by orders.unified_user_id
        ) as first_sale_on
    from orders

),

final as (

    select
        order_id,
        unified_user_id,
        system,
        touchpoint,
        campaign,
        currency,
        ordered_at,
        ordered_on,
        is_return,
        is_sale,
        sale_number,
        case
            when unified_user_id is not null and ordered_on >= first_sale_on
                then
                    12 * (
                        extract(year from ordered_on) - extract(year from first_sale_on)
                    )
                    + extract(month from ordered_on)
                    - extract(month from first_sale_on)
        end as months_since_first,
        gross_amount,
        discount_amount,
        refund_amount,
        net_amount,
        margin_amount,
        units
    from numbered

)

select * from final

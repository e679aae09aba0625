-- Invariant: what known users spent by fct_orders is what daily_activity adds up to,
-- and what the snapshots of the newest ds say they spent in total.
with

orders as (

    select
        unified_user_id,
        sum(net_amount) as net_amount
    from {{ ref("fct_orders") }}
    where unified_user_id is not null and status = 'completed'
    group by unified_user_id

),

days as (

    select
        unified_user_id,
        sum(net_amount) as net_amount
    from {{ ref("daily_activity") }}
    group by unified_user_id

),

snapshots as (

    select
        unified_user_id,
        net_amount_total
    from {{ ref("feat_users") }}
    where ds = (select max(newest.ds) from {{ ref("feat_users") }} as newest)

),

final as (

    select
        snapshots.unified_user_id,
        orders.net_amount as ordered_amount,
        days.net_amount as daily_amount,
        snapshots.net_amount_total
    from snapshots
    full outer join orders on snapshots.unified_user_id = orders.unified_user_id
    left join days on snapshots.unified_user_id = days.unified_user_id
    where
        snapshots.unified_user_id is null
        or coalesce(orders.net_amount, 0) <> coalesce(days.net_amount, 0)
        or coalesce(orders.net_amount, 0) <> snapshots.net_amount_total

)

select * from final

-- Grain: order_id.
-- Every order up to the end of the newest ds, cancelled ones and returns too, with the
-- user and the status of that day. Orders of nobody known stay, without a user.
with

{{ newest_day_ctes() }},

orders as (

    select
        order_id,
        original_order_id,
        system,
        touchpoint,
        person_entity,
        person_key,
        ordered_at,
        known_at,
        status,
        cancelled_at,
        is_return,
        currency,
        gross_amount,
        discount_amount,
        refund_amount,
        net_amount,
        margin_amount,
        units,
        line_count,
        campaign
    from {{ source("staging", "orders") }}

),

final as (

    select
        orders.order_id,
        orders.original_order_id,
        records.unified_user_id,
        orders.system,
        orders.touchpoint,
        orders.person_entity,
        orders.ordered_at,
        {{ local_date("orders.ordered_at", "newest.timezone") }} as ordered_on,
        orders.known_at,
        case
            when orders.cancelled_at >= newest.ends_at then 'completed'
            else orders.status
        end as status,
        orders.is_return,
        orders.currency,
        cast(orders.gross_amount as decimal(18, 4)) as gross_amount,
        cast(orders.discount_amount as decimal(18, 4)) as discount_amount,
        cast(orders.refund_amount as decimal(18, 4)) as refund_amount,
        cast(orders.net_amount as decimal(18, 4)) as net_amount,
        cast(orders.margin_amount as decimal(18, 4)) as margin_amount,
        cast(orders.units as bigint) as units,
        cast(orders.line_count as bigint) as line_count,
        orders.campaign,
        {{ run_id() }} as _run_id
    from orders
    inner join newest on orders.ordered_at < newest.ends_at
    left join records
        on
            orders.system = records.system
            and orders.person_entity = records.entity
            and orders.person_key = records.record_key

)

select * from final

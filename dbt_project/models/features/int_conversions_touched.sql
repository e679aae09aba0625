-- Grain: ds, order_id, touch_no; counted orders of the last 90 days, for the newest ds
-- as far as the marts of journeys look back.
-- What marketing did in the days before an order, in order: 1 is the first touch. An
-- order without any has one row, 0, so that none is lost. A touch counts
-- where it came before the order, and was read by then where that was known to ds.
{%- set journeys = feature_settings().journeys %}
{%- set reach = journeys.history_days + journeys.touch_days + 1 %}
with

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

touches as (

    select
        touch_id,
        system,
        person_entity,
        person_key,
        touchpoint,
        campaign,
        event_at,
        known_at,
        opened_at,
        opened_known_at,
        clicked_at,
        clicked_known_at
    from {{ source("staging", "touches") }}
    where person_key is not null and event_at is not null

),

orders as (

    select
        ds,
        unified_user_id,
        order_id,
        ordered_at,
        ordered_on,
        touchpoint,
        net_amount,
        currency
    from {{ ref("int_orders_resolved") }}
    where
        is_counted
        and (
            ordered_on > {{ date_add_days("ds", -90) }}
            or (
                ds = {{ newest_day() }}
                and ordered_on > {{ date_add_days("ds", -journeys.history_days) }}
            )
        )

),

user_touches as (

    select
        records.ds,
        records.known_until,
        records.unified_user_id,
        touches.touch_id,
        touches.system,
        touches.touchpoint,
        touches.campaign,
        touches.event_at,
        touches.known_at,
        touches.opened_at,
        touches.opened_known_at,
        touches.clicked_at,
        touches.clicked_known_at
    from records
    inner join touches
        on
            records.system = touches.system
            and records.entity = touches.person_entity
            and records.record_key = touches.person_key
            and {{ is_known("touches", "records") }}
            and touches.event_at > {{ date_add_days("records.ds", -reach) }}

),

final as (

    select
        orders.ds,
        orders.unified_user_id,
        orders.order_id,
        orders.ordered_at,
        orders.ordered_on,
        orders.touchpoint as order_touchpoint,
        orders.net_amount,
        orders.currency,
        case
            when user_touches.touch_id is null then 0
            else row_number() over (
                partition by orders.ds, orders.order_id
                order by user_touches.event_at asc, user_touches.touch_id asc
            )
        end as touch_no,
        count(user_touches.touch_id) over (
            partition by orders.ds, orders.order_id
        ) as path_length,
        user_touches.touch_id,
        user_touches.system as channel_group,
        user_touches.touchpoint,
        user_touches.campaign,
        user_touches.event_at as touched_at,
        user_touches.known_at,
        coalesce(
            user_touches.opened_at < orders.ordered_at
            and user_touches.opened_known_at <= user_touches.known_until,
            false
        ) as is_opened,
        coalesce(
            user_touches.clicked_at < orders.ordered_at
            and user_touches.clicked_known_at <= user_touches.known_until,
            false
        ) as is_clicked
    from orders
    left join user_touches
        on
            orders.ds = user_touches.ds
            and orders.unified_user_id = user_touches.unified_user_id
            and orders.ordered_at > user_touches.event_at
            and user_touches.event_at
            >= orders.ordered_at - interval '{{ journeys.touch_days }}' day

)

select * from final

-- Grain: ds, unified_user_id.
-- How the user comes to an order: steps of the funnel on one day, carts left behind,
-- and the touches before an order. A cart is a day on which something was put into it;
-- it is bought where an order follows within the hours of config/features.yml after the
-- last time, abandoned where none did and they are over by the end of ds, else open.
{{ config(materialized="ephemeral") }}
{%- set journeys = feature_settings().journeys %}
{%- set steps = journeys.funnel_steps %}
{%- set cart = journeys.cart_step %}

with

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

run_dates as (

    select
        ds,
        ends_at
    from {{ source("ops", "run_dates") }}

),

user_steps as (

    select * from {{ ref("int_user_steps_timed") }}
    where days_ago < 90

),

orders as (

    select
        ds,
        unified_user_id,
        order_id,
        ordered_at,
        ordered_on
    from {{ ref("int_orders_resolved") }}
    where is_counted

),

conversions as (

    select * from {{ ref("int_conversions_touched") }}
    where ordered_on > {{ date_add_days("ds", -90) }}

),

step_days as (

    select
        user_steps.ds,
        user_steps.unified_user_id,
        user_steps.step_on,
        user_steps.days_ago,
        {{ merged_step_moments("user_steps") }},
        sum(user_steps.cart_amount) as cart_amount
    from user_steps
    group by
        user_steps.ds,
        user_steps.unified_user_id,
        user_steps.step_on,
        user_steps.days_ago

),

order_days as (

    select
        ds,
        unified_user_id,
        ordered_on,
        min(ordered_at) as order_first_at,
        max(ordered_at) as order_last_at
    from orders
    where ordered_on > {{ date_add_days("ds", -90) }}
    group by ds, unified_user_id, ordered_on

),

timed as (

    select
        step_days.ds,
        step_days.unified_user_id,
        step_days.step_on,
        step_days.days_ago,
        {{ step_moment_columns("step_days") }},
        step_days.cart_amount,
        order_days.order_first_at,
        order_days.order_last_at
    from step_days
    left join order_days
        on
            step_days.ds = order_days.ds
            and step_days.unified_user_id = order_days.unified_user_id
            and step_days.step_on = order_days.ordered_on

),

carts as (

    select
        timed.ds,
        timed.unified_user_id,
        timed.step_on,
        timed.{{ cart }}_last_at + interval '{{ journeys.cart_hours }}' hour
            as ends_cart_at,
        timed.{{ cart }}_first_at as carted_at,
        min(orders.ordered_at) as bought_at
    from timed
    left join orders
        on
            timed.ds = orders.ds
            and timed.unified_user_id = orders.unified_user_id
            and timed.{{ cart }}_first_at <= orders.ordered_at
            and orders.ordered_at
            <= timed.{{ cart }}_last_at + interval '{{ journeys.cart_hours }}' hour
    where timed.{{ cart }}_first_at is not null
    group by
        timed.ds,
        timed.unified_user_id,
        timed.step_on,
        timed.{{ cart }}_first_at,
        timed.{{ cart }}_last_at

),

decided as (

    select
        carts.ds,
        carts.unified_user_id,
        carts.step_on,
        carts.bought_at is not null as is_bought,
        carts.bought_at is null and carts.ends_cart_at <= run_dates.ends_at
            as is_abandoned,
        carts.bought_at is null and carts.ends_cart_at > run_dates.ends_at as is_open,
        {{ seconds_between("carts.carted_at", "carts.bought_at") }} / 3600
            as hours_to_order
    from carts
    inner join run_dates on carts.ds = run_dates.ds

),

journey_days as (

    select
        timed.ds,
        timed.unified_user_id,
        timed.step_on,
        timed.days_ago,
        {{ reached_steps() }},
        case when decided.is_bought then 1 else 0 end as bought_carts,
        case when decided.is_abandoned then 1 else 0 end as abandoned_carts,
        case when decided.is_open then 1 else 0 end as open_carts,
        case when decided.is_abandoned then timed.cart_amount end
            as abandoned_cart_amount,
        case when decided.is_open then timed.cart_amount end as open_cart_amount,
        case when decided.is_abandoned then timed.step_on end as abandoned_on,
        case when timed.{{ cart }}_first_at is not null then timed.step_on end
            as carted_on,
        decided.hours_to_order
    from timed
    left join decided
        on
            timed.ds = decided.ds
            and timed.unified_user_id = decided.unified_user_id
            and timed.step_on = decided.step_on

),

windowed as (

    select
        journey_days.ds,
        journey_days.unified_user_id,
        {{ windowed_rows("journey_days", "journey_days") }}
    from journey_days
    group by journey_days.ds, journey_days.unified_user_id

),

funnels as (

    select
        ds,
        unified_user_id,
        {{ summed_steps() }},
        {{ deepest_step_no("days_ago < 30") }} as deepest_step_no,
        max(step_on) as last_funnel_on,
        sum(open_carts) as open_carts,
        sum(open_cart_amount) as open_cart_amount,
        sum(bought_carts) as bought_carts,
        sum(abandoned_carts) as abandoned_carts,
        max(carted_on) as last_carted_on,
        max(abandoned_on) as last_abandoned_on,
        {{ median("hours_to_order") }} as median_hours_cart_to_order
    from journey_days
    group by ds, unified_user_id

),

paths as (

    select
        ds,
        unified_user_id,
        order_id,
        ordered_at,
        path_length,
        {{ text_in_order("touchpoint", "touch_no", " > ") }} as touch_path,
        max(case when touch_no = 1 then touchpoint end) as first_touchpoint,
        max(case when touch_no = path_length then touchpoint end) as last_touchpoint,
        {{ seconds_between("min(touched_at)", "ordered_at") }} / 3600 as path_hours
    from conversions
    group by ds, unified_user_id, order_id, ordered_at, path_length

),

placed_paths as (

    select
        *,
        row_number() over (
            partition by ds, unified_user_id
            order by ordered_at desc, order_id desc
        ) as place
    from paths

),

path_counts as (

    select
        ds,
        unified_user_id,
        count(*) as order_count,
        {{ count_where("path_length > 0") }} as touched_orders,
        cast(sum(path_length) as double) / count(*) as touches_per_order,
        max(case when place = 1 then touch_path end) as last_path,
        max(case when place = 1 then path_length end) as last_path_length,
        max(case when place = 1 then first_touchpoint end) as last_first_touchpoint,
        max(case when place = 1 then last_touchpoint end) as last_last_touchpoint,
        max(case when place = 1 then path_hours end) as last_path_hours
    from placed_paths
    group by ds, unified_user_id

),

common_paths as (

    select
        ds,
        unified_user_id,
        touch_path,
        row_number() over (
            partition by ds, unified_user_id
            order by count(*) desc, max(ordered_at) desc, touch_path asc
        ) as place
    from paths
    where path_length > 0
    group by ds, unified_user_id, touch_path

),

touchpoint_counts as (

    select
        ds,
        unified_user_id,
        touchpoint,
        sum(case when touch_no = 1 then 1 else 0 end) as openings,
        sum(case when touch_no = path_length then 1 else 0 end) as closings
    from conversions
    where touch_no > 0
    group by ds, unified_user_id, touchpoint

),

ranked_touchpoints as (

    select
        *,
        row_number() over (
            partition by ds, unified_user_id
            order by openings desc, touchpoint asc
        ) as opening_place,
        row_number() over (
            partition by ds, unified_user_id
            order by closings desc, touchpoint asc
        ) as closing_place
    from touchpoint_counts

),

touchpoints as (

    select
        ds,
        unified_user_id,
        count(*) as touchpoint_count,
        max(case when opening_place = 1 then touchpoint end) as usual_opening,
        max(case when closing_place = 1 then touchpoint end) as usual_closing
    from ranked_touchpoints
    group by ds, unified_user_id

),

profiles as (

    select
        ds,
        unified_user_id,
        first_seen_on
    from {{ ref("feat_profile") }}

),

first_orders as (

    select
        ds,
        unified_user_id,
        min(ordered_on) as first_order_on
    from orders
    group by ds, unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        {{ step_rates("funnels") }},
        cast(funnels.reached_{{ steps[-1] }} as double)
        / nullif(funnels.reached_{{ steps[0] }}, 0) as funnel_conversion_rate_90d,
        {{ step_name("funnels.deepest_step_no") }} as deepest_step_30d,
        funnels.last_funnel_on,
        coalesce(funnels.open_carts, 0) as open_carts,
        coalesce(funnels.open_cart_amount, 0) as open_cart_amount,
        funnels.last_carted_on,
        funnels.last_abandoned_on as last_abandoned_cart_on,
        {{ date_diff_days("funnels.last_abandoned_on", "users.ds") }}
            as days_since_abandoned_cart,
        cast(funnels.abandoned_carts as double)
        / nullif(funnels.abandoned_carts + funnels.bought_carts, 0)
            as cart_abandonment_rate_90d,
        round(funnels.median_hours_cart_to_order, 6) as cart_to_order_hours_90d,
        case
            when first_orders.first_order_on >= profiles.first_seen_on
                then {{ date_diff_days(
                    "profiles.first_seen_on", "first_orders.first_order_on"
                ) }}
        end as days_to_first_order,
        path_counts.last_path as last_conversion_path,
        path_counts.last_path_length as last_conversion_path_length,
        path_counts.last_first_touchpoint as last_conversion_first_touchpoint,
        path_counts.last_last_touchpoint as last_conversion_last_touchpoint,
        round(path_counts.last_path_hours, 6) as last_conversion_path_hours,
        coalesce(path_counts.touched_orders, 0) as touched_orders_90d,
        cast(path_counts.touched_orders as double) / path_counts.order_count
            as touched_order_share_90d,
        round(path_counts.touches_per_order, 9) as touches_per_order_90d,
        common_paths.touch_path as usual_path_90d,
        touchpoints.usual_opening as usual_first_touchpoint_90d,
        touchpoints.usual_closing as usual_last_touchpoint_90d,
        coalesce(touchpoints.touchpoint_count, 0) as path_touchpoint_count_90d,
        {{ row_features("journey_days", "windowed") }}
    from users
    left join windowed
        on
            users.ds = windowed.ds
            and users.unified_user_id = windowed.unified_user_id
    left join funnels
        on
            users.ds = funnels.ds
            and users.unified_user_id = funnels.unified_user_id
    left join path_counts
        on
            users.ds = path_counts.ds
            and users.unified_user_id = path_counts.unified_user_id
    left join common_paths
        on
            users.ds = common_paths.ds
            and users.unified_user_id = common_paths.unified_user_id
            and common_paths.place = 1
    left join touchpoints
        on
            users.ds = touchpoints.ds
            and users.unified_user_id = touchpoints.unified_user_id
    left join profiles
        on
            users.ds = profiles.ds
            and users.unified_user_id = profiles.unified_user_id
    left join first_orders
        on
            users.ds = first_orders.ds
            and users.unified_user_id = first_orders.unified_user_id

)

select * from final

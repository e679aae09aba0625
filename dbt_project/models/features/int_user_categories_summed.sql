-- Grain: ds, unified_user_id, category; the last 365 days, lines bought and events.
-- Postage, fees and vouchers are lines of an order, but nobody's taste. Affinity counts
-- events and lines, faded by their age (config/features.yml: interest).
{%- set rules = feature_settings().interest %}
{%- set bought_ago = date_diff_days("orders.ordered_on", "orders.ds") %}
{%- set seen_ago = date_diff_days("record_days.event_on", "records.ds") %}
with

orders as (

    select
        ds,
        unified_user_id,
        order_id,
        ordered_on
    from {{ ref("int_orders_resolved") }}
    where is_counted and ordered_on > {{ date_add_days("ds", -365) }}

),

order_lines as (

    select
        order_id,
        category,
        net_amount,
        known_at
    from {{ source("staging", "order_lines") }}
    where category is not null and category <> 'non_product' and net_amount > 0

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

run_dates as (

    select
        ds,
        known_until
    from {{ source("ops", "run_dates") }}

),

record_days as (

    select
        system,
        entity,
        record_key,
        event_on,
        known_at,
        categories
    from {{ ref("int_event_days_gathered") }}
    where categories is not null

),

bought as (

    select
        orders.ds,
        orders.unified_user_id,
        order_lines.category,
        count(*) as line_count,
        {{ count_where(bought_ago ~ " < 30") }} as line_count_30d,
        {{ count_where(bought_ago ~ " < 90") }} as line_count_90d,
        {{ count_where(bought_ago ~ " between 90 and 179") }} as line_count_prior_90d,
        sum(order_lines.net_amount) as net_amount,
        sum({{ faded(rules.purchase_weight, bought_ago) }}) as affinity
    from orders
    inner join run_dates on orders.ds = run_dates.ds
    inner join order_lines
        on
            orders.order_id = order_lines.order_id
            and {{ is_known("order_lines", "run_dates") }}
    group by orders.ds, orders.unified_user_id, order_lines.category

),

days_seen as (

    select
        records.ds,
        records.unified_user_id,
        record_days.categories,
        {{ seen_ago }} as days_ago,
        {{ faded("1", seen_ago) }} as affinity
    from records
    inner join record_days
        on
            records.system = record_days.system
            and records.entity = record_days.entity
            and records.record_key = record_days.record_key
            and records.ds >= record_days.event_on
            and {{ is_known("record_days", "records") }}
    where record_days.event_on > {{ date_add_days("records.ds", -365) }}

),

events_seen as (

    select
        ds,
        unified_user_id,
        {{ each_text("categories") }} as category,
        days_ago,
        affinity
    from days_seen

),

seen as (

    select
        ds,
        unified_user_id,
        category,
        count(*) as event_count,
        {{ count_where("days_ago < 30") }} as event_count_30d,
        {{ count_where("days_ago < 90") }} as event_count_90d,
        sum(affinity) as affinity
    from events_seen
    group by ds, unified_user_id, category

),

final as (

    select
        coalesce(bought.ds, seen.ds) as ds,
        coalesce(bought.unified_user_id, seen.unified_user_id) as unified_user_id,
        coalesce(bought.category, seen.category) as category,
        coalesce(bought.line_count, 0) as line_count,
        coalesce(bought.net_amount, 0) as net_amount,
        coalesce(bought.line_count_30d, 0) as line_count_30d,
        coalesce(bought.line_count_90d, 0) as line_count_90d,
        coalesce(bought.line_count_prior_90d, 0) as line_count_prior_90d,
        coalesce(seen.event_count, 0) as event_count,
        coalesce(seen.event_count_30d, 0) as event_count_30d,
        coalesce(seen.event_count_90d, 0) as event_count_90d,
        coalesce(bought.affinity, 0) + coalesce(seen.affinity, 0) as affinity
    from bought
    full outer join seen
        on
            bought.ds = seen.ds
            and bought.unified_user_id = seen.unified_user_id
            and bought.category = seen.category

)

select * from final

-- Grain: period, period_start_on, channel_group, touchpoint; the days of the last 190
-- (history_days) and the months that began in them.
-- What a touchpoint brought and cost. Orders are those placed there; attributed orders
-- those whose last touch in the seven days before was there. Figures of fewer users
-- than the smallest cell of config/features.yml are withheld; costs are nobody's.
{%- set history = feature_settings().journeys.history_days %}
with

newest as (

    select
        ds,
        known_until,
        {{ date_add_days("ds", 1 - history) }} as first_on
    from {{ source("ops", "run_dates") }}
    where ds = {{ newest_day() }}

),

records as (

    select
        system,
        entity,
        record_key,
        unified_user_id
    from {{ ref("int_records_resolved") }}
    where ds = {{ newest_day() }} and unified_user_id is not null

),

touch_days as (

    select * from {{ ref("int_touch_days_counted") }}

),

ad_costs as (

    select
        system,
        touchpoint,
        spent_on,
        cost,
        currency,
        known_at
    from {{ source("staging", "ad_costs") }}

),

orders as (

    select
        unified_user_id,
        order_id,
        channel_group,
        touchpoint,
        ordered_on,
        net_amount,
        currency,
        row_number() over (
            partition by unified_user_id
            order by ordered_at asc, order_id asc
        ) = 1 as is_first
    from {{ ref("int_orders_resolved") }}
    where ds = {{ newest_day() }} and is_counted

),

conversions as (

    select
        unified_user_id,
        order_id,
        ordered_on,
        channel_group,
        touchpoint,
        net_amount,
        currency
    from {{ ref("int_conversions_touched") }}
    where ds = {{ newest_day() }} and touch_no = path_length and touch_no > 0

),

-- One row a touchpoint, day and user, with what each side adds.
parts as (

    select
        touch_days.touched_on as happened_on,
        touch_days.system as channel_group,
        touch_days.touchpoint,
        records.unified_user_id as touched_user_id,
        touch_days.touch_count as touches,
        touch_days.opened_count as opens,
        touch_days.clicked_count as clicks,
        {{ to_decimal("null") }} as cost,
        cast(null as {{ dbt.type_string() }}) as buyer_user_id,
        0 as orders,
        {{ to_decimal("null") }} as revenue,
        cast(null as {{ dbt.type_string() }}) as converted_user_id,
        0 as attributed_orders,
        {{ to_decimal("null") }} as attributed_revenue,
        0 as new_customers,
        cast(null as {{ dbt.type_string() }}) as currency
    from touch_days
    inner join newest on {{ is_known("touch_days", "newest") }}
    left join records
        on
            touch_days.system = records.system
            and touch_days.entity = records.entity
            and touch_days.record_key = records.record_key
    union all
    select
        ad_costs.spent_on as happened_on,
        ad_costs.system as channel_group,
        ad_costs.touchpoint,
        null as touched_user_id,
        0 as touches,
        0 as opens,
        0 as clicks,
        ad_costs.cost,
        null as buyer_user_id,
        0 as orders,
        null as revenue,
        null as converted_user_id,
        0 as attributed_orders,
        null as attributed_revenue,
        0 as new_customers,
        ad_costs.currency
    from ad_costs
    inner join newest on {{ is_known("ad_costs", "newest") }}
    union all
    select
        orders.ordered_on as happened_on,
        orders.channel_group,
        orders.touchpoint,
        null as touched_user_id,
        0 as touches,
        0 as opens,
        0 as clicks,
        null as cost,
        orders.unified_user_id as buyer_user_id,
        1 as orders,
        orders.net_amount as revenue,
        null as converted_user_id,
        0 as attributed_orders,
        null as attributed_revenue,
        0 as new_customers,
        orders.currency
    from orders
    union all
    select
        conversions.ordered_on as happened_on,
        conversions.channel_group,
        conversions.touchpoint,
        null as touched_user_id,
        0 as touches,
        0 as opens,
        0 as clicks,
        null as cost,
        null as buyer_user_id,
        0 as orders,
        null as revenue,
        conversions.unified_user_id as converted_user_id,
        1 as attributed_orders,
        conversions.net_amount as attributed_revenue,
        case when orders.is_first then 1 else 0 end as new_customers,
        conversions.currency
    from conversions
    inner join orders on conversions.order_id = orders.order_id

),

recent as (

    select parts.*
    from parts
    inner join newest
        on
            parts.happened_on >= newest.first_on
            and parts.happened_on <= newest.ds

),

periods as (

    select
        'day' as period,
        recent.happened_on as period_start_on,
        recent.*
    from recent
    union all
    select
        'month' as period,
        {{ month_start("recent.happened_on") }} as period_start_on,
        recent.*
    from recent
    inner join newest
        on {{ month_start("recent.happened_on") }} >= newest.first_on

),

summed as (

    select
        period,
        period_start_on,
        channel_group,
        touchpoint,
        sum(touches) as touches,
        sum(opens) as opens,
        sum(clicks) as clicks,
        count(distinct touched_user_id) as user_count,
        sum(cost) as cost,
        count(distinct buyer_user_id) as buyer_count,
        sum(orders) as orders,
        sum(revenue) as revenue,
        count(distinct converted_user_id) as converted_count,
        sum(attributed_orders) as attributed_orders,
        sum(attributed_revenue) as attributed_revenue,
        sum(new_customers) as new_customers,
        min(currency) as least_currency,
        max(currency) as greatest_currency
    from periods
    where touchpoint is not null
    group by period, period_start_on, channel_group, touchpoint

),

shown as (

    select
        summed.*,
        {{ is_shown("user_count") }} as has_touches,
        {{ is_shown("buyer_count") }} as has_orders,
        {{ is_shown("converted_count") }} as has_conversions,
        {{ is_shown("new_customers") }} as has_newcomers
    from summed

),

final as (

    select
        shown.period,
        shown.period_start_on,
        case
            when shown.period = 'day' then true
            else
                {{ month_start(date_add_days("newest.ds", 1)) }} > shown.period_start_on
        end as is_complete,
        shown.channel_group,
        shown.touchpoint,
        {{ shown_if("shown.has_touches", "shown.touches") }} as touches,
        {{ shown_if("shown.has_touches", "shown.opens") }} as opens,
        {{ shown_if("shown.has_touches", "shown.clicks") }} as clicks,
        {{ shown_if("shown.has_touches", "shown.user_count") }} as user_count,
        cast(shown.cost as decimal(18, 4)) as cost,
        {{ shown_if("shown.has_orders", "shown.buyer_count") }} as buyers,
        {{ shown_if("shown.has_orders", "shown.orders") }} as orders,
        {{ shown_if("shown.has_orders", "shown.revenue", "decimal(18, 4)") }}
            as revenue,
        {{ shown_if("shown.has_conversions", "shown.attributed_orders") }}
            as attributed_orders,
        {{ shown_if(
            "shown.has_conversions", "shown.attributed_revenue", "decimal(18, 4)"
        ) }} as attributed_revenue,
        {{ shown_if("shown.has_newcomers", "shown.new_customers") }} as new_customers,
        case
            when shown.has_touches and shown.has_conversions
                then
                    round(
                        cast(shown.attributed_orders as double)
                        / nullif(shown.touches, 0),
                        9
                    )
        end as conversion_rate,
        case
            when shown.has_newcomers
                then
                    round(
                        cast(shown.cost as double) / nullif(shown.new_customers, 0), 9
                    )
        end as cac,
        case
            when shown.least_currency = shown.greatest_currency
                then shown.least_currency
        end as currency,
        not shown.has_touches
        or not shown.has_orders
        or not shown.has_conversions
        or not shown.has_newcomers as is_withheld,
        {{ run_id() }} as _run_id
    from shown
    cross join newest

)

select * from final

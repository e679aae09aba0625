-- Grain: period, period_start_on, channel_group, step_no; the days and weeks of the
-- last 190 days (history_days).
-- How many users took each step of the funnel within a day or a week, in a channel or
-- in `all` of them; the order may come in any channel. Figures of fewer users than the
-- smallest cell of config/features.yml are withheld.
{%- set steps = feature_settings().journeys.funnel_steps %}
with

newest as (

    select ds
    from {{ source("ops", "run_dates") }}
    where ds = {{ newest_day() }}

),

user_steps as (

    select * from {{ ref("int_user_steps_timed") }}

),

orders as (

    select
        ds,
        unified_user_id,
        ordered_at,
        ordered_on
    from {{ ref("int_orders_resolved") }}
    where is_counted

),

newest_steps as (

    select user_steps.*
    from user_steps
    inner join newest on user_steps.ds = newest.ds

),

newest_orders as (

    select
        orders.unified_user_id,
        orders.ordered_at,
        orders.ordered_on
    from orders
    inner join newest on orders.ds = newest.ds

),

-- Steps of a user's day, in each channel and in all.
day_steps as (

    select
        newest_steps.unified_user_id,
        newest_steps.step_on,
        newest_steps.channel_group,
        {{ step_moment_columns("newest_steps") }}
    from newest_steps
    union all
    select
        newest_steps.unified_user_id,
        newest_steps.step_on,
        'all' as channel_group,
        {{ merged_step_moments("newest_steps") }}
    from newest_steps
    group by newest_steps.unified_user_id, newest_steps.step_on

),

period_steps as (

    select
        'day' as period,
        day_steps.step_on as period_start_on,
        day_steps.unified_user_id,
        day_steps.channel_group,
        {{ step_moment_columns("day_steps") }}
    from day_steps
    union all
    select
        'week' as period,
        {{ week_start("day_steps.step_on") }} as period_start_on,
        day_steps.unified_user_id,
        day_steps.channel_group,
        {{ merged_step_moments("day_steps") }}
    from day_steps
    group by
        {{ week_start("day_steps.step_on") }},
        day_steps.unified_user_id,
        day_steps.channel_group

),

period_orders as (

    select
        'day' as period,
        ordered_on as period_start_on,
        unified_user_id,
        min(ordered_at) as order_first_at,
        max(ordered_at) as order_last_at
    from newest_orders
    group by ordered_on, unified_user_id
    union all
    select
        'week' as period,
        {{ week_start("ordered_on") }} as period_start_on,
        unified_user_id,
        min(ordered_at) as order_first_at,
        max(ordered_at) as order_last_at
    from newest_orders
    group by {{ week_start("ordered_on") }}, unified_user_id

),

timed as (

    select
        period_steps.*,
        period_orders.order_first_at,
        period_orders.order_last_at
    from period_steps
    left join period_orders
        on
            period_steps.period = period_orders.period
            and period_steps.period_start_on = period_orders.period_start_on
            and period_steps.unified_user_id = period_orders.unified_user_id

),

reached as (

    select
        period,
        period_start_on,
        channel_group,
        unified_user_id,
        {{ reached_steps() }}
    from timed

),

counted as (

    select
        period,
        period_start_on,
        channel_group,
        {{ summed_steps() }}
    from reached
    group by period, period_start_on, channel_group
    having sum(reached_{{ steps[0] }}) > 0

),

unpivoted as (

    {{ steps_as_rows("counted", ["period", "period_start_on", "channel_group"]) }}

),

shown as (

    select
        unpivoted.*,
        unpivoted.user_count - unpivoted.conversion_count as dropped_count,
        {{ is_shown("user_count") }} as has_users,
        {{ is_shown("user_count") }} and {{ is_shown("conversion_count") }}
            as has_conversions
    from unpivoted

),

final as (

    select
        shown.period,
        shown.period_start_on,
        case
            when shown.period = 'day' then true
            else {{ date_add_days("shown.period_start_on", 6) }} <= newest.ds
        end as is_complete,
        shown.channel_group,
        shown.step_no,
        shown.step,
        {{ shown_if("shown.has_users", "shown.user_count") }} as user_count,
        {{ shown_if("shown.has_conversions", "shown.conversion_count") }}
            as conversions,
        case
            when shown.has_conversions
                then
                    round(
                        cast(shown.conversion_count as double)
                        / nullif(shown.user_count, 0),
                        9
                    )
        end as conversion_rate,
        {{ shown_if("shown.has_conversions", "shown.dropped_count") }} as drop_off,
        case
            when
                shown.has_conversions
                and shown.timed_count > 0
                and {{ is_shown("shown.timed_count") }}
                then round(shown.seconds_to_next, 3)
        end as median_seconds_to_next,
        not shown.has_users or not coalesce(shown.has_conversions, true)
            as is_withheld,
        {{ run_id() }} as _run_id
    from shown
    cross join newest

)

select * from final

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

windows as (

    select * from {{ ref("int_user_windows_summed") }}

),

stretches as (

    select
        ds,
        unified_user_id,
        stretch_no,
        {{ marks_of_days("consumption") }}
    from {{ ref("int_user_days_marked") }}
    where order_count_marks is not null
    group by ds, unified_user_id, stretch_no

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
        windows.ds,
        windows.unified_user_id,
        {{ summed_windows("consumption", "windows") }}
    from windows
    group by windows.ds, windows.unified_user_id

),

counted as (

    select
        ds,
        unified_user_id,
        {{ counted_days("consumption") }}
    from stretches
    group by ds, unified_user_id

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
        coalesce(varieties.category_count_365d, 0) as category_count_365d,
        varieties.category_entropy_365d,
        histories.clv_x,
        histories.clv_t_x,
        histories.clv_t,
        histories.clv_mean_spend,
        {{ measured_features("consumption", "windowed", "counted") }}
    from users
    left join windowed
        on
            users.ds = windowed.ds
            and users.unified_user_id = windowed.unified_user_id
    left join counted
        on
            users.ds = counted.ds
            and users.unified_user_id = counted.unified_user_id
    left join histories
        on
            users.ds = histories.ds
            and users.unified_user_id = histories.unified_user_id
    left join varieties
        on
            users.ds = varieties.ds
            and users.unified_user_id = varieties.unified_user_id

)

select * from final

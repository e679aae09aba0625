-- Grain: ds, unified_user_id.
-- What the user does that reaches others.
{{ config(materialized="ephemeral") }}

with

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

days as (

    select
        ds,
        unified_user_id,
        activity_on,
        days_ago,
        {{ measured_columns("social") }}
    from {{ ref("int_user_days_summed") }}
    where
        {{ has_measures("social") }}

),

windowed as (

    select
        days.ds,
        days.unified_user_id,
        {{ windowed_measures("social", "days") }}
    from days
    group by days.ds, days.unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        {{ measured_features("social", "windowed") }}
    from users
    left join windowed
        on
            users.ds = windowed.ds
            and users.unified_user_id = windowed.unified_user_id

)

select * from final

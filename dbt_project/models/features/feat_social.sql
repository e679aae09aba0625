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

),

final as (

    select
        users.ds,
        users.unified_user_id,
        {{ windowed_measures("social", "days") }}
    from users
    left join days
        on
            users.ds = days.ds
            and users.unified_user_id = days.unified_user_id
    group by users.ds, users.unified_user_id

)

select * from final

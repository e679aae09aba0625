-- Grain: ds, unified_user_id, activity_on, channel_group.
-- What was done on a day. It is looked up for each ds apart, since the same records may
-- be other users on another ds.
{{ config(materialized="view") }}
with

run_dates as (

    select ds
    from {{ source("ops", "run_dates") }}

),

user_days as (

    select * from {{ ref("int_user_days_spanned") }}

),

final as (

    select
        run_dates.ds,
        user_days.unified_user_id,
        user_days.activity_on,
        user_days.channel_group,
        user_days.currency,
        {{ date_diff_days("user_days.activity_on", "run_dates.ds") }} as days_ago,
        user_days.{{ day_columns() | join(",\n        user_days.") }}
    from user_days
    inner join run_dates
        on
            user_days.first_ds <= run_dates.ds
            and user_days.last_ds >= run_dates.ds

)

select * from final

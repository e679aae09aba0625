-- Grain: ds, unified_user_id.
-- What marketing did to reach the user, and what came back.
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
        {{ measured_columns("marketing") }}
    from {{ ref("int_user_days_summed") }}
    where
        {{ has_measures("marketing") }}

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

touches as (

    select * from {{ ref("int_touch_days_counted") }}

),

windowed as (

    select
        days.ds,
        days.unified_user_id,
        {{ windowed_measures("marketing", "days") }}
    from days
    group by days.ds, days.unified_user_id

),

campaigns as (

    select
        records.ds,
        records.unified_user_id,
        count(distinct touches.campaign) as campaign_count_90d
    from records
    inner join touches
        on
            records.system = touches.system
            and records.entity = touches.entity
            and records.record_key = touches.record_key
            and records.ds >= touches.touched_on
            and {{ is_known("touches", "records") }}
    where touches.touched_on > {{ date_add_days("records.ds", -90) }}
    group by records.ds, records.unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        coalesce(campaigns.campaign_count_90d, 0) as campaign_count_90d,
        {{ measured_features("marketing", "windowed") }}
    from users
    left join windowed
        on
            users.ds = windowed.ds
            and users.unified_user_id = windowed.unified_user_id
    left join campaigns
        on
            users.ds = campaigns.ds
            and users.unified_user_id = campaigns.unified_user_id

)

select * from final

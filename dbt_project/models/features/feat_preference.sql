-- Grain: ds, unified_user_id.
-- Where, when and for what the user comes.
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
        channel_group,
        net_amount,
        activity_count,
        night_activity_count,
        case when {{ is_weekend("activity_on") }} then activity_count else 0 end
            as weekend_activity_count
    from {{ ref("int_user_days_summed") }}
    where activity_count > 0 and days_ago < 365

),

categories as (

    select
        ds,
        unified_user_id,
        category,
        net_amount,
        event_count
    from {{ ref("int_user_categories_summed") }}

),

channels as (

    select
        ds,
        unified_user_id,
        channel_group,
        row_number() over (
            partition by ds, unified_user_id
            order by count(*) desc, sum(net_amount) desc, channel_group asc
        ) as preference_rank
    from days
    group by ds, unified_user_id, channel_group

),

favourite_channels as (

    select
        ds,
        unified_user_id,
        channel_group
    from channels
    where preference_rank = 1

),

ranked_categories as (

    select
        ds,
        unified_user_id,
        category,
        row_number() over (
            partition by ds, unified_user_id
            order by net_amount desc, event_count desc, category asc
        ) as preference_rank
    from categories

),

favourite_categories as (

    select
        ds,
        unified_user_id,
        category
    from ranked_categories
    where preference_rank = 1

),

hours as (

    select
        ds,
        unified_user_id,
        cast(sum(night_activity_count) as double) / sum(activity_count)
            as night_share_90d,
        cast(sum(weekend_activity_count) as double) / sum(activity_count)
            as weekend_share_90d
    from days
    where days_ago < 90
    group by ds, unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        favourite_channels.channel_group as favourite_channel_365d,
        favourite_categories.category as favourite_category_365d,
        hours.night_share_90d,
        hours.weekend_share_90d
    from users
    left join favourite_channels
        on
            users.ds = favourite_channels.ds
            and users.unified_user_id = favourite_channels.unified_user_id
    left join favourite_categories
        on
            users.ds = favourite_categories.ds
            and users.unified_user_id = favourite_categories.unified_user_id
    left join hours
        on
            users.ds = hours.ds
            and users.unified_user_id = hours.unified_user_id

)

select * from final

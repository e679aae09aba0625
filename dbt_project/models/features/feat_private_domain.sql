-- Grain: ds, unified_user_id.
-- How the user deals with the company in its private domain: chats, groups, articles.
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

days as (

    select
        ds,
        unified_user_id,
        activity_on,
        days_ago,
        chat_count,
        article_read_count,
        chat_count + article_read_count + group_join_count > 0
            as is_in_private_domain
    from {{ ref("int_user_days_summed") }}
    where
        activity_count > 0
        and (
            days_ago < 90
            or chat_count + article_read_count + group_join_count > 0
        )

),

user_days as (

    select
        ds,
        unified_user_id,
        activity_on,
        days_ago,
        {{ most_of_a_day("private_domain") }},
        max(case when is_in_private_domain then 1 else 0 end) = 1
            as is_in_private_domain
    from days
    group by ds, unified_user_id, activity_on, days_ago

),

summed as (

    select
        windows.ds,
        windows.unified_user_id,
        {{ summed_windows("private_domain", "windows") }}
    from windows
    group by windows.ds, windows.unified_user_id

),

counted as (

    select
        ds,
        unified_user_id,
        {{ counted_days("private_domain") }},
        max(case when is_in_private_domain then 1 else 0 end) = 1
            as is_in_private_domain,
        min(case when is_in_private_domain then activity_on end)
            as first_private_domain_on,
        max(case when chat_count > 0 then activity_on end) as last_chat_on,
        min(case when chat_count > 0 then days_ago end) as days_since_chat,
        min(case when article_read_count > 0 then days_ago end)
            as days_since_article_read,
        {{ count_where("chat_count > 0 and days_ago between 90 and 179") }}
            as chat_days_prior_90d,
        {{ share_of(
            count_where("is_in_private_domain and days_ago < 90"),
            count_where("days_ago < 90"),
        ) }} as private_domain_share_90d
    from user_days
    group by ds, unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        coalesce(counted.is_in_private_domain, false) as is_in_private_domain,
        counted.first_private_domain_on,
        counted.last_chat_on,
        counted.days_since_chat,
        counted.days_since_article_read,
        coalesce(
            greatest(
                summed.group_join_count_total - summed.group_leave_count_total, 0
            ),
            0
        ) as group_count,
        {{ share_of(
            "summed.group_leave_count_total", "summed.group_join_count_total"
        ) }} as group_leave_share_total,
        coalesce(counted.chat_days_prior_90d, 0) as chat_days_prior_90d,
        cast(summed.chat_message_count_90d as double)
        / nullif(counted.chat_days_90d, 0) as messages_a_chat_day_90d,
        counted.private_domain_share_90d,
        {{ measured_features("private_domain", "summed", "counted") }}
    from users
    left join summed
        on
            users.ds = summed.ds
            and users.unified_user_id = summed.unified_user_id
    left join counted
        on
            users.ds = counted.ds
            and users.unified_user_id = counted.unified_user_id

)

select * from final

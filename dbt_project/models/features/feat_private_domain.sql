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

stretches as (

    select
        ds,
        unified_user_id,
        stretch_no,
        {{ marks_of_days("private_domain") }},
        {{ merged_marks("activity_count_marks") }} as activity_count_marks,
        {{ merged_marks("private_domain_marks") }} as private_domain_marks
    from {{ ref("int_user_days_marked") }}
    where stretch_no < 2 or private_domain_marks is not null
    group by ds, unified_user_id, stretch_no

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
        {{ oldest_mark("private_domain_marks") }} as days_since_private_domain,
        {{ newest_mark("chat_count_marks") }} as days_since_chat,
        {{ newest_mark("article_read_count_marks") }} as days_since_article_read,
        {{ count_marks("chat_count_marks", 180) }}
        - {{ count_marks("chat_count_marks", 90) }} as chat_days_prior_90d,
        {{ share_of(
            count_marks("private_domain_marks", 90),
            count_marks("activity_count_marks", 90),
        ) }} as private_domain_share_90d
    from stretches
    group by ds, unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        counted.days_since_private_domain is not null as is_in_private_domain,
        {{ date_add_days("users.ds", "-counted.days_since_private_domain") }}
            as first_private_domain_on,
        {{ date_add_days("users.ds", "-counted.days_since_chat") }} as last_chat_on,
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

-- Grain: one row an event: what a contact wrote on a day in a channel, a group joined
-- or left, an article read. A day on which only we wrote is nothing that the contact
-- did. The source tells no hour of messages: they stand at noon of their day, which is
-- no night, and the same day in any zone near it.
{{ config(materialized="ephemeral") }}

with

messages as (

    select * from {{ ref("stg_wecom__messages") }}

),

memberships as (

    select * from {{ ref("stg_wecom__memberships") }}

),

reads as (

    select * from {{ ref("stg_wecom__reads") }}

),

chats as (

    select
        'wecom:message:' || message_day_id as event_id,
        touchpoint,
        'contacts' as person_entity,
        external_userid as person_key,
        'chat_message' as event_type,
        {{ try_to_timestamp(
            "(cast(counted_on as " ~ dbt.type_string() ~ ") || ' 12:00:00')",
            source_timezone("wecom"),
        ) }} as event_at,
        _first_known_at as known_at,
        cast(received as double) as value,
        cast(null as {{ dbt.type_string() }}) as category,
        cast(null as double) as duration_seconds
    from messages
    where received > 0

),

joins as (

    select
        'wecom:join:' || membership_id as event_id,
        touchpoint,
        'contacts' as person_entity,
        external_userid as person_key,
        'group_join' as event_type,
        joined_at as event_at,
        _first_known_at as known_at,
        cast(null as double) as value,
        cast(null as {{ dbt.type_string() }}) as category,
        cast(null as double) as duration_seconds
    from memberships

),

leaves as (

    select
        'wecom:leave:' || membership_id as event_id,
        touchpoint,
        'contacts' as person_entity,
        external_userid as person_key,
        'group_leave' as event_type,
        left_at as event_at,
        left_known_at as known_at,
        cast(null as double) as value,
        cast(null as {{ dbt.type_string() }}) as category,
        cast(null as double) as duration_seconds
    from memberships
    where left_at is not null

),

articles as (

    select
        'wecom:read:' || read_id as event_id,
        touchpoint,
        case when unionid is not null then 'readers' end as person_entity,
        unionid as person_key,
        'article_read' as event_type,
        read_at as event_at,
        _first_known_at as known_at,
        cast(null as double) as value,
        category,
        duration_seconds
    from reads

),

unioned as (

    select * from chats
    union all
    select * from joins
    union all
    select * from leaves
    union all
    select * from articles

),

final as (

    select
        event_id,
        touchpoint,
        person_entity,
        person_key,
        event_type,
        event_at,
        known_at,
        value,
        category,
        cast(null as {{ dbt.type_string() }}) as campaign,
        duration_seconds
    from unioned

)

select * from final

-- Grain: one row a mail or text message. Nobody can tell whether a text message was
-- read; that one clicked would make it look as if only they had.
{{ config(materialized="ephemeral") }}

with

messages as (

    select * from {{ ref("stg_loyalty__messages") }}

),

final as (

    select
        'loyalty:' || message_id as touch_id,
        touchpoint,
        case
            when member_no is not null then 'members'
            when coalesce(phone, email) is not null then 'messages'
        end as person_entity,
        case
            when member_no is not null then member_no
            when coalesce(phone, email) is not null then message_id
        end as person_key,
        campaign,
        {{ to_decimal("null") }} as cost,
        sent_at as event_at,
        _first_known_at as known_at,
        case
            when touchpoint != 'sms' then coalesce(opened_at, clicked_at) is not null
        end as is_opened,
        clicked_at is not null as is_clicked,
        case when touchpoint != 'sms' then coalesce(opened_at, clicked_at) end
            as opened_at,
        clicked_at,
        case
            when touchpoint != 'sms' and coalesce(opened_at, clicked_at) is not null
                then opened_known_at
        end as opened_known_at,
        case when clicked_at is not null then clicked_known_at end as clicked_known_at
    from messages

)

select * from final

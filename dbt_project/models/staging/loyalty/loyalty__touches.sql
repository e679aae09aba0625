-- Grain: one row a mail or text message.
{{ config(materialized="ephemeral") }}

with

messages as (

    select * from {{ ref("stg_loyalty__messages") }}

),

final as (

    select
        'loyalty:' || message_id as touch_id,
        touchpoint,
        case when member_no is not null then 'members' end as person_entity,
        member_no as person_key,
        campaign,
        {{ to_decimal("null") }} as cost,
        sent_at as event_at,
        _first_known_at as known_at,
        coalesce(opened_at, clicked_at) is not null as is_opened,
        clicked_at is not null as is_clicked,
        coalesce(opened_at, clicked_at) as opened_at,
        clicked_at
    from messages

)

select * from final

-- Grain: one row a ticket. Without phone and member number it is nobody's.
{{ config(materialized="ephemeral") }}

with

tickets as (

    select * from {{ ref("stg_support__tickets") }}

),

final as (

    select
        'support:' || ticket_id as ticket_id,
        touchpoint,
        case when coalesce(member_no, phone) is not null then 'tickets' end
            as person_entity,
        case when coalesce(member_no, phone) is not null then ticket_id end
            as person_key,
        category,
        status,
        opened_at,
        first_response_at,
        responded_known_at as first_response_known_at,
        resolved_at,
        resolved_known_at,
        reopened_at,
        reopened_known_at,
        closed_at,
        satisfaction,
        satisfaction_at,
        satisfaction_known_at,
        order_id,
        _first_known_at as known_at
    from tickets

)

select * from final

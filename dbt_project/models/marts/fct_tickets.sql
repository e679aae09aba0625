-- Grain: ticket_id.
-- Every request to customer service up to the end of the newest ds, with the user and
-- the state of that day. Requests of nobody known stay, without a user.
with

{{ newest_day_ctes() }},

tickets as (

    select
        ticket_id,
        system,
        touchpoint,
        person_entity,
        person_key,
        category,
        status,
        opened_at,
        first_response_at,
        resolved_at,
        closed_at,
        satisfaction,
        satisfaction_at,
        order_id,
        known_at
    from {{ source("staging", "tickets") }}

),

dated as (

    select
        tickets.ticket_id,
        tickets.system,
        tickets.touchpoint,
        tickets.person_entity,
        tickets.person_key,
        tickets.category,
        tickets.status,
        tickets.opened_at,
        tickets.first_response_at,
        tickets.resolved_at,
        tickets.closed_at,
        tickets.satisfaction,
        tickets.satisfaction_at,
        tickets.order_id,
        tickets.known_at,
        newest.ds,
        newest.ends_at,
        {{ local_date("tickets.opened_at", "newest.timezone") }} as opened_on
    from tickets
    cross join newest

),

final as (

    select
        dated.ticket_id,
        records.unified_user_id,
        dated.system,
        dated.touchpoint,
        dated.person_entity,
        dated.category,
        case
            when
                dated.status = 'closed' and dated.closed_at >= dated.ends_at
                then case
                    when dated.resolved_at < dated.ends_at then 'resolved'
                    else 'open'
                end
            when
                dated.status = 'resolved' and dated.resolved_at >= dated.ends_at
                then 'open'
            else dated.status
        end as status,
        dated.opened_at,
        dated.opened_on,
        case
            when dated.first_response_at < dated.ends_at then dated.first_response_at
        end as first_response_at,
        case when dated.resolved_at < dated.ends_at then dated.resolved_at end
            as resolved_at,
        case when dated.satisfaction_at < dated.ends_at then dated.satisfaction end
            as satisfaction,
        dated.order_id,
        dated.known_at,
        {{ run_id() }} as _run_id
    from dated
    left join records
        on
            dated.system = records.system
            and dated.person_entity = records.entity
            and dated.person_key = records.record_key
    where dated.opened_on <= dated.ds

)

select * from final

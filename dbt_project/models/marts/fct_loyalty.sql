-- Grain: entry_id.
-- Every entry of the loyalty programme up to the end of the newest ds, with the users
-- of that day: whose it is, and for an invitation who was invited.
with

{{ newest_day_ctes() }},

loyalty as (

    select
        entry_id,
        system,
        touchpoint,
        person_entity,
        person_key,
        kind,
        points,
        reason,
        amount,
        currency,
        campaign,
        order_id,
        counterpart_entity,
        counterpart_key,
        booked_at,
        known_at
    from {{ source("staging", "loyalty") }}

),

dated as (

    select
        loyalty.entry_id,
        loyalty.system,
        loyalty.touchpoint,
        loyalty.person_entity,
        loyalty.person_key,
        loyalty.kind,
        loyalty.points,
        loyalty.reason,
        loyalty.amount,
        loyalty.currency,
        loyalty.campaign,
        loyalty.order_id,
        loyalty.counterpart_entity,
        loyalty.counterpart_key,
        loyalty.booked_at,
        loyalty.known_at,
        newest.ds,
        {{ local_date("loyalty.booked_at", "newest.timezone") }} as booked_on
    from loyalty
    cross join newest

),

final as (

    select
        dated.entry_id,
        records.unified_user_id,
        counterparts.unified_user_id as counterpart_user_id,
        dated.system,
        dated.touchpoint,
        dated.person_entity,
        dated.kind,
        cast(dated.points as bigint) as points,
        dated.reason,
        cast(dated.amount as decimal(18, 4)) as amount,
        dated.currency,
        dated.campaign,
        dated.order_id,
        dated.booked_at,
        dated.booked_on,
        dated.known_at,
        {{ run_id() }} as _run_id
    from dated
    left join records
        on
            dated.system = records.system
            and dated.person_entity = records.entity
            and dated.person_key = records.record_key
    left join records as counterparts
        on
            dated.system = counterparts.system
            and dated.counterpart_entity = counterparts.entity
            and dated.counterpart_key = counterparts.record_key
    where dated.booked_on <= dated.ds

)

select * from final

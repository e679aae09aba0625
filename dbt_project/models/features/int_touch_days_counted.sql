-- Grain: system, entity, record_key, touched_on, known_at, campaign.
-- Touches of a source record, by day and by when they were known.
{{ config(tags=["any_day"]) }}
with

tenant as (

    select max(timezone) as timezone
    from {{ source("ops", "run_dates") }}

),

touches as (

    select
        system,
        person_entity,
        person_key,
        campaign,
        event_at,
        known_at
    from {{ source("staging", "touches") }}
    where person_key is not null and event_at is not null

),

final as (

    select
        touches.system,
        touches.person_entity as entity,
        touches.person_key as record_key,
        {{ local_date("touches.event_at", "tenant.timezone") }} as touched_on,
        touches.known_at,
        touches.campaign,
        count(*) as touch_count
    from touches
    cross join tenant
    group by
        touches.system,
        touches.person_entity,
        touches.person_key,
        {{ local_date("touches.event_at", "tenant.timezone") }},
        touches.known_at,
        touches.campaign

)

select * from final

-- Grain: system, entity, record_key, touched_on, known_at, touchpoint, campaign.
-- Touches of a source record, and how many were opened and clicked, each on its own day
-- and by when it was known: a message of Monday that was read on Tuesday is a touch of
-- Monday and an opening of Tuesday. Touches of nobody are counted too, of no record:
-- they cost as much.
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
        touchpoint,
        campaign,
        event_at,
        known_at,
        opened_at,
        opened_known_at,
        clicked_at,
        clicked_known_at
    from {{ source("staging", "touches") }}

),

happened as (

    select
        system,
        person_entity,
        person_key,
        touchpoint,
        campaign,
        event_at as happened_at,
        known_at,
        1 as is_touch,
        0 as is_opening,
        0 as is_click
    from touches
    where event_at is not null
    union all
    select
        system,
        person_entity,
        person_key,
        touchpoint,
        campaign,
        opened_at as happened_at,
        opened_known_at as known_at,
        0 as is_touch,
        1 as is_opening,
        0 as is_click
    from touches
    where opened_at is not null
    union all
    select
        system,
        person_entity,
        person_key,
        touchpoint,
        campaign,
        clicked_at as happened_at,
        clicked_known_at as known_at,
        0 as is_touch,
        0 as is_opening,
        1 as is_click
    from touches
    where clicked_at is not null

),

localised as (

    select
        happened.system,
        happened.person_entity,
        happened.person_key,
        happened.touchpoint,
        happened.campaign,
        happened.known_at,
        happened.is_touch,
        happened.is_opening,
        happened.is_click,
        {{ local_date("happened.happened_at", "tenant.timezone") }} as touched_on
    from happened
    cross join tenant

),

final as (

    select
        system,
        person_entity as entity,
        person_key as record_key,
        touched_on,
        known_at,
        touchpoint,
        campaign,
        cast(sum(is_touch) as bigint) as touch_count,
        cast(sum(is_opening) as bigint) as opened_count,
        cast(sum(is_click) as bigint) as clicked_count
    from localised
    group by
        system,
        person_entity,
        person_key,
        touched_on,
        known_at,
        touchpoint,
        campaign

)

select * from final

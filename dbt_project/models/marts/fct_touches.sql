-- Grain: touch_id.
-- Every contact of marketing up to the end of the newest ds, with the user of that
-- day, and whether it was read by then. Touches of nobody known stay, without a user.
with

{{ newest_day_ctes() }},

touches as (

    select
        touch_id,
        system,
        touchpoint,
        person_entity,
        person_key,
        campaign,
        cost,
        event_at,
        known_at,
        is_opened,
        is_clicked,
        opened_at,
        clicked_at
    from {{ source("staging", "touches") }}

),

-- The day comes first and says what is up to ds. By moments, an engine would guess that
-- little is left, and build the join on all touches.
dated as (

    select
        touches.touch_id,
        touches.system,
        touches.touchpoint,
        touches.person_entity,
        touches.person_key,
        touches.campaign,
        touches.cost,
        touches.event_at,
        touches.known_at,
        touches.is_opened,
        touches.is_clicked,
        touches.opened_at,
        touches.clicked_at,
        newest.ds,
        newest.ends_at,
        {{ local_date("touches.event_at", "newest.timezone") }} as event_on
    from touches
    cross join newest

),

final as (

    select
        dated.touch_id,
        records.unified_user_id,
        dated.system,
        dated.touchpoint,
        dated.person_entity,
        dated.campaign,
        cast(dated.cost as decimal(18, 4)) as cost,
        dated.event_at,
        dated.event_on,
        dated.known_at,
        case when dated.opened_at >= dated.ends_at then false else dated.is_opened end
            as is_opened,
        case when dated.clicked_at >= dated.ends_at then false else dated.is_clicked end
            as is_clicked,
        case when dated.opened_at < dated.ends_at then dated.opened_at end as opened_at,
        case when dated.clicked_at < dated.ends_at then dated.clicked_at end
            as clicked_at,
        {{ run_id() }} as _run_id
    from dated
    left join records
        on
            dated.system = records.system
            and dated.person_entity = records.entity
            and dated.person_key = records.record_key
    where dated.event_on <= dated.ds

)

select * from final

-- Grain: touch_id.
-- Every contact of marketing up to the end of the newest ds, with the user of that
-- day. Touches of nobody known stay, without a user.
with

newest as (

    select
        ds,
        ends_at,
        timezone
    from {{ source("ops", "run_dates") }}
    where ds = {{ newest_day() }}

),

records as (

    select
        ds,
        system,
        entity,
        record_key,
        unified_user_id
    from {{ ref("int_records_resolved") }}

),

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
        known_at
    from {{ source("staging", "touches") }}

),

final as (

    select
        touches.touch_id,
        records.unified_user_id,
        touches.system,
        touches.touchpoint,
        touches.person_entity,
        touches.campaign,
        cast(touches.cost as decimal(18, 4)) as cost,
        touches.event_at,
        {{ local_date("touches.event_at", "newest.timezone") }} as event_on,
        touches.known_at,
        {{ run_id() }} as _run_id
    from touches
    inner join newest on touches.event_at < newest.ends_at
    left join records
        on
            newest.ds = records.ds
            and touches.system = records.system
            and touches.person_entity = records.entity
            and touches.person_key = records.record_key

)

select * from final

-- Grain: ds, touch_id; touches of known users up to the end of ds.
{{ config(materialized="ephemeral") }}

with

records as (

    select
        ds,
        ends_at,
        system,
        entity,
        record_key,
        unified_user_id
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null

),

tenant as (

    select max(timezone) as timezone
    from {{ source("ops", "run_dates") }}

),

touches as (

    select
        touch_id,
        system,
        person_entity,
        person_key,
        campaign,
        event_at
    from {{ source("staging", "touches") }}
    where person_key is not null

),

final as (

    select
        records.ds,
        records.unified_user_id,
        touches.touch_id,
        touches.system as channel_group,
        touches.campaign,
        {{ local_date("touches.event_at", "tenant.timezone") }} as touched_on
    from records
    inner join touches
        on
            records.system = touches.system
            and records.entity = touches.person_entity
            and records.record_key = touches.person_key
            and records.ends_at > touches.event_at
    cross join tenant

)

select * from final

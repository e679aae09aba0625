-- Grain: ds, system, entity, record_key.
-- Whose a source record was on each day that is built. Every feature goes from record
-- to user through here, so that a snapshot has the identities of its own day.
with

run_dates as (

    select
        ds,
        ends_at,
        known_until,
        recorded_until
    from {{ source("ops", "run_dates") }}

),

id_map as (

    select
        system,
        entity,
        record_key,
        unified_user_id,
        effective_from,
        effective_to,
        recorded_from,
        recorded_to
    from {{ source("identity", "id_map") }}

),

final as (

    select
        run_dates.ds,
        run_dates.ends_at,
        run_dates.known_until,
        id_map.system,
        id_map.entity,
        id_map.record_key,
        id_map.unified_user_id,
        id_map.effective_from,
        id_map.recorded_from
    from run_dates
    inner join id_map on {{ is_effective_on("id_map", "run_dates") }}

)

select * from final

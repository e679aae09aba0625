-- Grain: ds, unified_user_id.
-- The users of a day, the spine of every feature: who has a record by then, active
-- or not. Records of nobody known (no user id) are no users.
with

records as (

    select
        ds,
        unified_user_id,
        system,
        entity,
        effective_from
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null

),

run_dates as (

    select
        ds,
        crm_system,
        crm_entity
    from {{ source("ops", "run_dates") }}

),

final as (

    select
        records.ds,
        records.unified_user_id,
        count(*) as record_count,
        count(distinct records.system) as system_count,
        max(
            case
                when
                    records.system = run_dates.crm_system
                    and records.entity = run_dates.crm_entity
                    then 1
                else 0
            end
        ) = 1 as has_crm_record,
        min(records.effective_from) as first_mapped_on
    from records
    inner join run_dates on records.ds = run_dates.ds
    group by records.ds, records.unified_user_id

)

select * from final

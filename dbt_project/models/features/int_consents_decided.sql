-- Grain: ds, unified_user_id.
-- What a user has agreed to at the end of ds: for each purpose the newest decision of
-- any of their records. At the same moment a withdrawal beats a grant. Without any
-- decision the tenant's default holds.
{{ config(materialized="ephemeral") }}

with

records as (

    select
        ds,
        ends_at,
        known_until,
        system,
        entity,
        record_key,
        unified_user_id
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null

),

users as (

    select
        ds,
        unified_user_id
    from {{ ref("int_users_enumerated") }}

),

run_dates as (

    select
        ds,
        consent_default
    from {{ source("ops", "run_dates") }}

),

consents as (

    select
        system,
        person_entity,
        person_key,
        purpose,
        is_granted,
        valid_from_at,
        known_at
    from {{ source("staging", "consents") }}

),

decisions as (

    select
        records.ds,
        records.unified_user_id,
        consents.purpose,
        consents.is_granted,
        row_number() over (
            partition by records.ds, records.unified_user_id, consents.purpose
            order by consents.valid_from_at desc, consents.is_granted asc
        ) as newest_rank
    from records
    inner join consents
        on
            records.system = consents.system
            and records.entity = consents.person_entity
            and records.record_key = consents.person_key
            and records.ends_at > consents.valid_from_at
            and {{ is_known("consents", "records") }}

),

newest as (

    select
        ds,
        unified_user_id,
        max(case when purpose = 'profiling' then cast(is_granted as int) end)
            as profiling,
        max(case when purpose = 'marketing' then cast(is_granted as int) end)
            as marketing
    from decisions
    where newest_rank = 1
    group by ds, unified_user_id

),

final as (

    select
        users.ds,
        users.unified_user_id,
        coalesce(newest.profiling = 1, run_dates.consent_default)
            as consent_profiling,
        coalesce(newest.marketing = 1, run_dates.consent_default)
            as consent_marketing
    from users
    inner join run_dates on users.ds = run_dates.ds
    left join newest
        on users.ds = newest.ds and users.unified_user_id = newest.unified_user_id

)

select * from final

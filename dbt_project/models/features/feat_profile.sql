-- Grain: ds, unified_user_id.
-- Who the user is, without anything that tells their name. An attribute comes from
-- the CRM's record where that has it, else from the newest registration; a record is
-- read in the version that held at the end of ds.
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

devices as (

    select
        system,
        device_key,
        person_entity,
        person_key,
        lower(replace(device_model, ' ', '')) as device_model,
        valid_from_at,
        known_at
    from {{ source("staging", "devices") }}

),

users as (

    select
        ds,
        unified_user_id,
        record_count,
        system_count,
        has_crm_record,
        first_mapped_on
    from {{ ref("int_users_enumerated") }}

),

consents as (

    select
        ds,
        unified_user_id,
        consent_profiling,
        consent_marketing
    from {{ ref("int_consents_decided") }}

),

run_dates as (

    select
        ds,
        ends_at,
        known_until,
        timezone,
        crm_system,
        crm_entity
    from {{ source("ops", "run_dates") }}

),

attributes as (

    select
        system,
        entity,
        record_key,
        valid_from_at,
        gender,
        city,
        region,
        birth_year,
        registered_at,
        known_at
    from {{ source("staging", "stg_person_attributes") }}

),

versions as (

    select
        records.ds,
        records.system,
        records.entity,
        records.record_key,
        attributes.gender,
        attributes.birth_year,
        attributes.region,
        attributes.city,
        attributes.registered_at,
        row_number() over (
            partition by
                records.ds, records.system, records.entity, records.record_key
            order by attributes.valid_from_at desc
        ) as newest_rank
    from records
    inner join attributes
        on
            records.system = attributes.system
            and records.entity = attributes.entity
            and records.record_key = attributes.record_key
            and records.ends_at > attributes.valid_from_at
            and {{ is_known("attributes", "records") }}

),

newest as (

    select
        ds,
        system,
        entity,
        record_key,
        gender,
        birth_year,
        region,
        city,
        registered_at
    from versions
    where newest_rank = 1

),

sightings as (

    select
        system,
        entity,
        record_key,
        known_at,
        min(first_seen_at) as first_seen_at
    from {{ source("staging", "sightings") }}
    group by system, entity, record_key, known_at

),

-- Few sightings tell of an earlier one than was known before: only these are news.
compared_sightings as (

    select
        system,
        entity,
        record_key,
        known_at,
        first_seen_at,
        min(first_seen_at) over (
            partition by system, entity, record_key
            order by known_at
            rows between unbounded preceding and 1 preceding
        ) as first_seen_before
    from sightings

),

new_sightings as (

    select
        system,
        entity,
        record_key,
        known_at,
        first_seen_at
    from compared_sightings
    where first_seen_before is null or first_seen_at < first_seen_before

),

first_sights as (

    select
        records.ds,
        records.system,
        records.entity,
        records.record_key,
        min(new_sightings.first_seen_at) as first_seen_at
    from records
    inner join new_sightings
        on
            records.system = new_sightings.system
            and records.entity = new_sightings.entity
            and records.record_key = new_sightings.record_key
            and {{ is_known("new_sightings", "records") }}
    group by
        records.ds,
        records.system,
        records.entity,
        records.record_key

),

known as (

    select
        records.ds,
        records.unified_user_id,
        records.system,
        records.entity,
        records.record_key,
        records.system = run_dates.crm_system
        and records.entity = run_dates.crm_entity as is_crm_record,
        newest.gender,
        newest.birth_year,
        newest.region,
        newest.city,
        coalesce(newest.city, newest.region) as place,
        newest.registered_at,
        case
            when first_sights.first_seen_at < records.ends_at
                then first_sights.first_seen_at
        end as first_seen_at,
        run_dates.timezone
    from records
    inner join run_dates on records.ds = run_dates.ds
    left join first_sights
        on
            records.ds = first_sights.ds
            and records.system = first_sights.system
            and records.entity = first_sights.entity
            and records.record_key = first_sights.record_key
    left join newest
        on
            records.ds = newest.ds
            and records.system = newest.system
            and records.entity = newest.entity
            and records.record_key = newest.record_key

),

ranked as (

    select
        ds,
        unified_user_id,
        gender,
        birth_year,
        region,
        city,
        registered_at,
        first_seen_at,
        timezone,
        place,
        -- the CRM's record first, then the newest registration
        row_number() over (
            partition by ds, unified_user_id
            order by
                case when is_crm_record then 0 else 1 end asc,
                case when registered_at is null then 1 else 0 end asc,
                registered_at desc,
                system asc,
                entity asc,
                record_key asc
        ) as standing
    from known

),

described as (

    select
        ds,
        unified_user_id,
        {{ best_value("gender") }} as gender,
        {{ best_value("region", of="place") }} as region,
        {{ best_value("city", of="place") }} as city,
        extract(year from ds) - {{ best_value("birth_year") }} as age,
        -- a day is looked up once a user: the engine takes its time over zones
        {{ local_date("min(registered_at)", "max(timezone)") }} as registered_on,
        {{ local_date("min(first_seen_at)", "max(timezone)") }} as first_seen_on
    from ranked
    group by ds, unified_user_id

),

-- Whose a device is, its newest version says: who had it before has it no more.
device_versions as (

    select
        run_dates.ds,
        devices.system,
        devices.device_key,
        devices.person_entity,
        devices.person_key,
        devices.device_model,
        devices.valid_from_at,
        row_number() over (
            partition by run_dates.ds, devices.system, devices.device_key
            order by devices.valid_from_at desc
        ) as newest_rank
    from run_dates
    inner join devices
        on
            run_dates.ends_at > devices.valid_from_at
            and {{ is_known("devices", "run_dates") }}

),

user_devices as (

    select
        records.ds,
        records.unified_user_id,
        device_versions.device_model,
        row_number() over (
            partition by records.ds, records.unified_user_id
            order by
                device_versions.valid_from_at desc,
                device_versions.system asc,
                device_versions.device_key asc
        ) as newest_rank
    from device_versions
    inner join records
        on
            device_versions.ds = records.ds
            and device_versions.system = records.system
            and device_versions.person_entity = records.entity
            and device_versions.person_key = records.record_key
    where device_versions.newest_rank = 1

),

newest_devices as (

    select
        ds,
        unified_user_id,
        {{ device_band("device_model") }} as device_band
    from user_devices
    where newest_rank = 1

),

joined as (

    select
        users.ds,
        users.unified_user_id,
        consents.consent_profiling,
        consents.consent_marketing,
        described.gender,
        case
            when described.age is null or described.age not between 0 and 110 then null
            when described.age < 18 then 'under 18'
            when described.age < 25 then '18-24'
            when described.age < 35 then '25-34'
            when described.age < 45 then '35-44'
            when described.age < 55 then '45-54'
            when described.age < 65 then '55-64'
            else '65 and over'
        end as age_band,
        described.region,
        described.city,
        {{ city_tier("described.city") }} as city_tier,
        newest_devices.device_band,
        coalesce(
            least(described.first_seen_on, described.registered_on),
            described.first_seen_on,
            described.registered_on,
            users.first_mapped_on
        ) as first_seen_on,
        described.registered_on,
        users.record_count,
        users.system_count,
        users.has_crm_record
    from users
    inner join consents
        on
            users.ds = consents.ds
            and users.unified_user_id = consents.unified_user_id
    inner join described
        on
            users.ds = described.ds
            and users.unified_user_id = described.unified_user_id
    left join newest_devices
        on
            users.ds = newest_devices.ds
            and users.unified_user_id = newest_devices.unified_user_id

),

final as (

    select
        ds,
        unified_user_id,
        consent_profiling,
        consent_marketing,
        gender,
        age_band,
        region,
        city,
        city_tier,
        device_band,
        first_seen_on,
        registered_on,
        {{ date_diff_days("first_seen_on", "ds") }} as tenure_days,
        record_count,
        system_count,
        has_crm_record
    from joined

)

select * from final

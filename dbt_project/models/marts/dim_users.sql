-- Grain: unified_user_id, valid_from.
-- Who users are and what they agreed to, as versions: a version is a stretch of days on
-- which nothing of it changed (type 2 history). What is built tells of the days of this
-- pass alone; publishing joins it with the days before and after (meta.publish:
-- history), so that a day that is run again corrects its own days and no others. Until
-- then a version that still holds ends on the day after the last one built.
with

days as (

    select
        ds,
        coalesce(lead(ds) over (order by ds), ds + 1) as next_ds
    from {{ source("ops", "run_dates") }}

),

profiles as (

    select
        ds,
        unified_user_id,
        first_seen_on,
        registered_on,
        gender,
        age_band,
        region,
        city,
        device_band,
        record_count,
        system_count,
        has_crm_record,
        consent_profiling,
        consent_marketing
    from {{ ref("feat_profile") }}

),

dated as (

    select
        {{ user_attributes("profiles") }},
        profiles.ds,
        days.next_ds,
        case
            when
                lag(days.next_ds) over (
                    partition by {{ user_attributes("profiles") }}
                    order by profiles.ds
                ) = profiles.ds
                then 0
            else 1
        end as is_start
    from profiles
    inner join days on profiles.ds = days.ds

),

numbered as (

    select
        {{ user_attributes("dated") }},
        dated.ds,
        dated.next_ds,
        sum(dated.is_start) over (
            partition by {{ user_attributes("dated") }}
            order by dated.ds
            rows between unbounded preceding and current row
        ) as version_number
    from dated

),

versions as (

    select
        {{ user_attributes("numbered") }},
        min(numbered.ds) as valid_from,
        max(numbered.next_ds) as valid_to
    from numbered
    group by {{ user_attributes("numbered") }}, numbered.version_number

),

final as (

    select
        unified_user_id,
        valid_from,
        valid_to,
        valid_to > {{ newest_day() }} as is_current,
        first_seen_on,
        registered_on,
        gender,
        age_band,
        region,
        city,
        cast(device_band as {{ dbt.type_string() }}) as device_band,
        cast(record_count as integer) as record_count,
        cast(system_count as integer) as system_count,
        has_crm_record,
        consent_profiling,
        consent_marketing,
        {{ run_id() }} as _run_id
    from versions

)

select * from final

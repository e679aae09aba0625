-- Grain: unified_user_id.
-- The users at the end of the newest ds: who they are, where they are known, and what
-- they agreed to.
with

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
        record_count,
        system_count,
        has_crm_record,
        consent_profiling,
        consent_marketing
    from {{ ref("feat_profile") }}

),

final as (

    select
        profiles.unified_user_id,
        profiles.ds,
        profiles.first_seen_on,
        profiles.registered_on,
        profiles.gender,
        profiles.age_band,
        profiles.region,
        profiles.city,
        cast(null as {{ dbt.type_string() }}) as device_band,
        cast(profiles.record_count as integer) as record_count,
        cast(profiles.system_count as integer) as system_count,
        profiles.has_crm_record,
        profiles.consent_profiling,
        profiles.consent_marketing,
        {{ run_id() }} as _run_id
    from profiles
    where profiles.ds = {{ newest_day() }}

)

select * from final

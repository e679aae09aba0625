-- Grain: target, record_key.
-- What the CRM shall show of the segments after the newest ds: the desired state, which
-- the sync compares with what the CRM last acknowledged. A record whose user consents
-- and has a tier carries it; every record without consent is to be cleared, whether or
-- not anything was ever sent there, which only the ledger knows. The rank goes in steps
-- of 5 %: exact, it would change for nearly everybody every day.
{{ config(alias="desired") }}
with

newest as (

    select
        ds,
        recorded_until,
        crm_system,
        crm_entity
    from {{ source("ops", "run_dates") }}
    where ds = {{ newest_day() }}

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

users as (

    select
        ds,
        unified_user_id,
        consent_profiling,
        consent_marketing
    from {{ source("features", "feat_users") }}

),

tiers as (

    select
        ds,
        unified_user_id,
        tier,
        rfm_segment,
        lifecycle,
        is_at_risk,
        is_dormant,
        value_rank,
        next_action,
        valid_from
    from {{ source("segments", "user_tiers") }}

),

reasons as (

    select
        ds,
        unified_user_id,
        max(case when rank = 1 then text end) as reason_1,
        max(case when rank = 2 then text end) as reason_2,
        max(case when rank = 3 then text end) as reason_3
    from {{ source("segments", "reasons") }}
    group by ds, unified_user_id

),

crm_records as (

    select
        newest.ds,
        id_map.record_key,
        id_map.unified_user_id
    from newest
    inner join id_map
        on
            newest.crm_system = id_map.system
            and newest.crm_entity = id_map.entity
            and {{ is_effective_on("id_map", "newest") }}

),

decided as (

    select
        crm_records.ds,
        crm_records.record_key,
        crm_records.unified_user_id,
        coalesce(users.consent_profiling and users.consent_marketing, false)
            as has_consent
    from crm_records
    left join users
        on
            crm_records.ds = users.ds
            and crm_records.unified_user_id = users.unified_user_id

),

sendable as (

    select
        decided.record_key,
        decided.unified_user_id,
        {{ json_object_of({
            "tier": "tiers.tier",
            "rfm_segment": "tiers.rfm_segment",
            "lifecycle": "tiers.lifecycle",
            "is_at_risk": "tiers.is_at_risk",
            "is_dormant": "tiers.is_dormant",
            "value_rank": "round(floor(tiers.value_rank * 20) / 20, 2)",
            "reason_1": "reasons.reason_1",
            "reason_2": "reasons.reason_2",
            "reason_3": "reasons.reason_3",
            "next_action": "tiers.next_action",
            "valid_from": "cast(tiers.valid_from as " ~ dbt.type_string() ~ ")",
        }) }} as field_values,
        false as is_clear
    from decided
    inner join tiers
        on
            decided.ds = tiers.ds
            and decided.unified_user_id = tiers.unified_user_id
    left join reasons
        on
            decided.ds = reasons.ds
            and decided.unified_user_id = reasons.unified_user_id
    where decided.has_consent and tiers.tier is not null

),

clearable as (

    select
        record_key,
        unified_user_id,
        '{}' as field_values,
        true as is_clear
    from decided
    where not has_consent

),

combined as (

    select
        record_key,
        unified_user_id,
        field_values,
        is_clear
    from sendable
    union all
    select
        record_key,
        unified_user_id,
        field_values,
        is_clear
    from clearable

),

final as (

    select
        'crm' as target,  -- noqa: RF04
        record_key,
        unified_user_id,
        field_values as fields,  -- noqa: RF04
        {{ content_hash("field_values") }} as field_hash,
        is_clear,
        {{ run_id() }} as _run_id
    from combined

)

select * from final

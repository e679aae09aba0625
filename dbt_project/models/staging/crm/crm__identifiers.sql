-- Grain: version of a customer, or merge of two, and identifier type. What the record
-- shows of a person. A merge shows the ids of both records, from when they were merged:
-- that of the one that is gone is then another name of the one that stays.
{{ config(materialized="ephemeral") }}

with

versions as (

    select * from {{ ref("int_crm__customer_versions") }}

),

joined_records as (

    select
        merge_id,
        from_customer_id,
        into_customer_id,
        coalesce(merged_at, _first_known_at) as merged_at,
        _first_known_at
    from {{ ref("stg_crm__merges") }}
    where from_customer_id is not null and into_customer_id is not null

),

final as (

    {{ identifiers_of(
        "versions",
        entity="customers",
        record_key="customer_id",
        own={"crm_id": "customer_id"},
        shown={
            "phone": "phone",
            "email": "email",
            "member_no": "member_no",
            "unionid": "unionid",
            "name": "full_name",
        },
        first_seen_at="coalesce(registered_at, updated_at, _known_at)",
        shown_since="coalesce(updated_at, registered_at, _known_at)",
        last_seen_at="coalesce(updated_at, registered_at, _known_at)",
        known_at="_known_at",
    ) }}
    union all
    {{ identifiers_of(
        "joined_records",
        entity="merges",
        record_key="merge_id",
        own={"crm_id": "into_customer_id"},
        first_seen_at="merged_at",
        last_seen_at="merged_at",
    ) }}
    union all
    {{ identifiers_of(
        "joined_records",
        entity="merges",
        record_key="merge_id",
        shown={"crm_id": "from_customer_id"},
        first_seen_at="merged_at",
        last_seen_at="merged_at",
    ) }}

)

select * from final

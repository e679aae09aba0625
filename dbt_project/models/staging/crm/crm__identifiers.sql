-- Grain: version of a customer and identifier type. What the record shows of a person.
{{ config(materialized="ephemeral") }}

with

versions as (

    select * from {{ ref("int_crm__customer_versions") }}

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
        },
        first_seen_at="coalesce(registered_at, updated_at, _known_at)",
        shown_since="coalesce(updated_at, registered_at, _known_at)",
        last_seen_at="coalesce(updated_at, registered_at, _known_at)",
        known_at="_known_at",
    ) }}

)

select * from final

-- Grain: customer and identifier type. What a customer record shows of a person.
{{ config(materialized="ephemeral") }}

with

customers as (

    select * from {{ ref("stg_crm__customers") }}

),

final as (

    {{ identifiers_of(
        "customers",
        entity="customers",
        record_key="customer_id",
        own={"crm_id": "customer_id"},
        shown={
            "phone": "phone",
            "email": "email",
            "member_no": "member_no",
            "unionid": "unionid",
        },
        shown_suffix="_first_seen_at",
        first_seen_at="coalesce(registered_at, updated_at, _first_known_at)",
        last_seen_at="coalesce(updated_at, registered_at, _first_known_at)",
    ) }}

)

select * from final

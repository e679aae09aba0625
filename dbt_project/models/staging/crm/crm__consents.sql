-- Grain: customer, purpose and moment of change. Two records of one moment contradict
-- each other: the one with the higher id counts.
{{ config(materialized="ephemeral") }}

with

consents as (

    select * from {{ ref("stg_crm__consents") }}

),

ranked as (

    select
        customer_id,
        purpose,
        is_granted,
        changed_at,
        _first_known_at,
        row_number() over (
            partition by customer_id, purpose, changed_at order by consent_id desc
        ) as place
    from consents

),

final as (

    select
        'customers' as person_entity,
        customer_id as person_key,
        purpose,
        is_granted,
        changed_at as valid_from_at,
        _first_known_at as known_at
    from ranked
    where place = 1

)

select * from final

-- Grain: one row a person at an event of the company.
{{ config(materialized="ephemeral") }}

with

feedback as (

    select * from {{ ref("feedback__feedback") }}

),

final as (

    select
        feedback_id as event_id,
        touchpoint,
        person_entity,
        person_key,
        'event_attended' as event_type,
        answered_at as event_at,
        known_at,
        cast(null as double) as value,
        category,
        cast(null as {{ dbt.type_string() }}) as campaign,
        cast(null as double) as duration_seconds
    from feedback
    where kind = 'attendance'

)

select * from final

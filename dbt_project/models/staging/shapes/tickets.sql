-- Grain: one row a request to customer service, in its newest state, of all systems.
{{ config(meta={"publish": "replace"}) }}

with

tickets as (

    {{ union_shapes("tickets", [
        "ticket_id",
        "touchpoint",
        "person_entity",
        "person_key",
        "category",
        "status",
        "opened_at",
        "first_response_at",
        "first_response_known_at",
        "resolved_at",
        "resolved_known_at",
        "reopened_at",
        "reopened_known_at",
        "closed_at",
        "satisfaction",
        "satisfaction_at",
        "satisfaction_known_at",
        "order_id",
        "known_at",
    ]) }}

),

final as (

    select
        ticket_id,
        system,
        touchpoint,
        person_entity,
        person_key,
        category,
        status,
        opened_at,
        first_response_at,
        first_response_known_at,
        resolved_at,
        resolved_known_at,
        reopened_at,
        reopened_known_at,
        closed_at,
        cast(satisfaction as integer) as satisfaction,
        satisfaction_at,
        satisfaction_known_at,
        order_id,
        known_at,
        {{ run_id() }} as _run_id
    from tickets

)

select * from final

-- Grain: one row a touch: a contact that marketing caused, of all systems.
{{ config(meta={"publish": "replace"}) }}

with

touches as (

    {{ union_shapes("touches", [
        "touch_id",
        "touchpoint",
        "person_entity",
        "person_key",
        "campaign",
        "cost",
        "event_at",
        "known_at",
        "is_opened",
        "is_clicked",
        "opened_at",
        "clicked_at",
        "opened_known_at",
        "clicked_known_at",
    ]) }}

),

final as (

    select
        touch_id,
        system,
        touchpoint,
        person_entity,
        person_key,
        campaign,
        cost,
        event_at,
        known_at,
        is_opened,
        is_clicked,
        opened_at,
        clicked_at,
        opened_known_at,
        clicked_known_at,
        {{ run_id() }} as _run_id
    from touches

)

select * from final

-- Grain: system, device, valid from; until the next version of the device.
-- Which device it is and whose, as registers have it. All versions are kept, so that a
-- past day is told as it was. It tells nothing of who is who: identity knows a device
-- by the events on it.
{{ config(meta={"publish": "replace"}) }}

with

devices as (

    {{ union_shapes("devices", [
        "device_key",
        "person_entity",
        "person_key",
        "device_model",
        "valid_from_at",
        "known_at",
    ]) }}

),

final as (

    select
        system,
        device_key,
        person_entity,
        person_key,
        device_model,
        valid_from_at,
        known_at,
        {{ run_id() }} as _run_id
    from devices

)

select * from final

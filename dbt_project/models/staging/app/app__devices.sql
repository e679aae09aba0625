-- Grain: one row a version of a device. It is the account's that used it last, as its
-- events are; without one it stands for itself.
{{ config(materialized="ephemeral") }}

with

devices as (

    select * from {{ ref("stg_app__devices") }}

),

final as (

    select
        device_id as device_key,
        case when app_user_id is not null then 'accounts' else 'devices' end
            as person_entity,
        coalesce(app_user_id, device_id) as person_key,
        device_model,
        updated_at as valid_from_at,
        _first_known_at as known_at
    from devices

)

select * from final

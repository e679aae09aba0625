-- Grain: one row a click on an advertisement. What it cost is told by campaign and day
-- only, in `ad_costs`.
{{ config(materialized="ephemeral") }}

with

clicks as (

    select * from {{ ref("stg_ads__clicks") }}

),

final as (

    select
        'ads:' || click_id as touch_id,
        touchpoint,
        case
            when cookie_id is not null then 'cookies'
            when device_id is not null then 'devices'
        end as person_entity,
        coalesce(cookie_id, device_id) as person_key,
        campaign,
        {{ to_decimal("null") }} as cost,
        clicked_at as event_at,
        _first_known_at as known_at,
        cast(null as boolean) as is_opened,
        true as is_clicked,
        cast(null as timestamp) as opened_at,
        clicked_at,
        cast(null as timestamp) as opened_known_at,
        _first_known_at as clicked_known_at
    from clicks

)

select * from final

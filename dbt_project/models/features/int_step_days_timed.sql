-- Grain: system, entity, record_key, event_on, known_at; of the batches that changed.
-- When a source record first and last took each step of the funnel on a day, by when
-- that was known, and what was put into the cart. Firsts and lasts of parts give those
-- of the whole, so that no event is read again for another ds.
{{ config(tags=["any_day"]) }}
{%- set journeys = feature_settings().journeys %}
with

tenant as (

    select max(timezone) as timezone
    from {{ source("ops", "run_dates") }}

),

events as (

    select
        system,
        person_entity,
        person_key,
        event_type,
        event_at,
        known_at,
        value
    from {{ source("staging", "events") }} as events
    where
        person_key is not null
        and event_at is not null
        and {{ is_funnel_event("event_type") }}
        and {{ in_changed_batches("events", "events") }}

),

localised as (

    select
        events.system,
        events.person_entity,
        events.person_key,
        events.event_type,
        events.event_at,
        events.known_at,
        events.value,
        {{ local_date("events.event_at", "tenant.timezone") }} as event_on
    from events
    cross join tenant

),

final as (

    select
        system,
        person_entity as entity,
        person_key as record_key,
        event_on,
        known_at,
        {{ step_moments() }},
        cast(
            sum(
                case
                    when event_type = '{{ journeys.cart_step }}'
                        then {{ to_decimal("value") }}
                end
            ) as decimal(38, 4)
        ) as cart_amount
    from localised
    group by system, person_entity, person_key, event_on, known_at

)

select * from final

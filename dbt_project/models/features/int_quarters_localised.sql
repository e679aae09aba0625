-- Grain: quarter_no.
-- The quarter hours in which events of changed batches happened, by the tenant's clock:
-- what depends on the hour and the weekday is found out once for each, and not for each
-- event.
{{ config(tags=["any_day"]) }}
with

tenant as (

    select max(timezone) as timezone
    from {{ source("ops", "run_dates") }}

),

quarters as (

    select distinct {{ quarter_hour_no("event_at") }} as quarter_no
    from {{ source("staging", "events") }}
    where event_at is not null and {{ in_changed_batches("events") }}

),

localised as (

    select
        quarters.quarter_no,
        {{ local_timestamp(
            quarter_hour_at("quarters.quarter_no"), "tenant.timezone"
        ) }} as local_at
    from quarters
    cross join tenant

),

placed as (

    select
        quarter_no,
        cast(local_at as date) as event_on,
        extract(hour from local_at) as local_hour,
        {{ is_night("local_at") }} as is_night
    from localised

),

final as (

    select
        quarter_no,
        event_on,
        is_night,
        {{ times_of_day() }}
    from placed

)

select * from final

-- Grain: ds, unified_user_id, step_on, channel_group; the last 90 days, for the newest
-- ds as far as the marts of journeys look back.
-- When a user first and last took each step of the funnel on a day.
{%- set journeys = feature_settings().journeys %}
with

records as (

    select
        ds,
        known_until,
        system,
        entity,
        record_key,
        unified_user_id
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null

),

record_days as (

    select
        system,
        entity,
        record_key,
        event_on,
        known_at,
        {{ step_moment_names() | join(",\n        ") }},
        cart_amount
    from {{ ref("int_event_days_gathered") }}
    where coalesce({{ step_moment_names() | join(", ") }}) is not null

),

final as (

    select
        records.ds,
        records.unified_user_id,
        record_days.event_on as step_on,
        records.system as channel_group,
        {{ date_diff_days("record_days.event_on", "records.ds") }} as days_ago,
        {{ merged_step_moments("record_days") }},
        sum(record_days.cart_amount) as cart_amount
    from records
    inner join record_days
        on
            records.system = record_days.system
            and records.entity = record_days.entity
            and records.record_key = record_days.record_key
            and records.ds >= record_days.event_on
            and {{ is_known("record_days", "records") }}
    where
        record_days.event_on > {{ date_add_days("records.ds", -90) }}
        or (
            records.ds = {{ newest_day() }}
            and record_days.event_on
            > {{ date_add_days("records.ds", -journeys.history_days) }}
        )
    group by
        records.ds,
        records.unified_user_id,
        record_days.event_on,
        records.system

)

select * from final

-- Grain: system, entity, record_key, event_on, known_at.
-- What source records did on their days, whichever run counted it.
{{ config(materialized="view") }}
{%- set columns = [
    "system",
    "entity",
    "record_key",
    "event_on",
    "known_at",
    "event_count",
    "session_count",
    "night_event_count",
    "dwell_seconds",
    "categories",
] + (feature_settings().event_counts | list) + step_moment_names() + ["cart_amount"] %}
with

final as (

    {{ gathered_batches(
        "int_event_days_counted", "event_days", "events", columns
    ) }}

)

select * from final

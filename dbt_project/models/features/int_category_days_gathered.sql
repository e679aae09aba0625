-- Grain: system, entity, record_key, event_on, known_at, category.
-- Events of source records with a category, whichever run counted them.
{{ config(materialized="view") }}
{%- set columns = [
    "system",
    "entity",
    "record_key",
    "event_on",
    "known_at",
    "category",
    "event_count",
] %}
with

final as (

    {{ gathered_batches(
        "int_category_days_counted", "category_days", "events", columns
    ) }}

)

select * from final

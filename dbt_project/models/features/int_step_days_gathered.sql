-- Grain: system, entity, record_key, event_on, known_at.
-- When source records took the steps of the funnel, whichever run counted it.
{{ config(materialized="view") }}
{%- set columns = ["system", "entity", "record_key", "event_on", "known_at"]
    + step_moment_names() + ["cart_amount"] %}
with

final as (

    {{ gathered_batches("int_step_days_timed", "step_days", "events", columns) }}

)

select * from final

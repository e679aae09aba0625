-- Invariant: no shape has two rows of one key.
{%- set keys = {
    "identifiers": [
        "system", "entity", "record_key", "identifier_type", "value_hash"
    ],
    "events": ["event_id"],
    "orders": ["order_id"],
    "order_lines": ["order_id", "line_no"],
    "touches": ["touch_id"],
    "consents": [
        "system", "person_entity", "person_key", "purpose", "valid_from_at"
    ],
    "tickets": ["ticket_id"],
    "feedback": ["feedback_id"],
    "loyalty": ["entry_id"],
    "devices": ["system", "device_key", "valid_from_at"],
    "ad_costs": ["system", "touchpoint", "campaign", "spent_on", "currency"],
    "ticket_texts": ["ticket_id"],
    "feedback_texts": ["feedback_id"],
    "persons": ["system", "entity", "record_key"],
    "stg_person_attributes": ["system", "entity", "record_key", "valid_from_at"],
} %}

with

repeated as (

    {% for shape, key in keys.items() %}
        select
            '{{ shape }}' as shape,
            count(*) as row_count
        from {{ ref(shape) }}
        group by {{ key | join(", ") }}
        having count(*) > 1
        {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

final as (

    select * from repeated

)

select * from final

{% macro identifiers_of(
    relation,
    entity,
    record_key,
    first_seen_at,
    last_seen_at,
    own={},
    shown={},
    shown_suffix=none
) -%}
    {#-
        The identifiers of person records, one row a record and identifier type, as
        `<system>__identifiers` gives them. `own` maps the record's own identifier
        type to its column, `shown` the types that the record also carries. A value
        that a record got later than its own id was first seen at
        `<column><shown_suffix>`. Values are plain here: they are hashed once, for all
        systems, in `identifiers`.
    -#}
    {%- set columns = [] -%}
    {%- for identifier_type, column in own.items() -%}
        {%- do columns.append((identifier_type, column, "true")) -%}
    {%- endfor -%}
    {%- for identifier_type, column in shown.items() -%}
        {%- do columns.append((identifier_type, column, "false")) -%}
    {%- endfor -%}
    {%- for identifier_type, column, is_own in columns %}
    select
        '{{ entity }}' as entity,
        {{ record_key }} as record_key,
        '{{ identifier_type }}' as identifier_type,
        {{ column }} as identifier_value,
        {{ is_own }} as is_own,
        {% if shown_suffix is not none and is_own == "false" -%}
        coalesce({{ column }}{{ shown_suffix }}, {{ first_seen_at }}) as first_seen_at,
        {%- else -%}
        {{ first_seen_at }} as first_seen_at,
        {%- endif %}
        {{ last_seen_at }} as last_seen_at
    from {{ relation }}
    where {{ column }} is not null
    {% if not loop.last %}union all{% endif %}
    {%- endfor -%}
{%- endmacro %}

{% macro union_shapes(shape, columns) -%}
    {#-
        The models `<system>__<shape>` of every system that fills the shape, as one
        select of `system` and `columns`.

        The systems come from the var `systems`: dbt must know a model's parents when
        it parses, and its graph is not there yet. A new source is an entry in that
        var and a folder; no union changes.
    -#}
    {%- set members = [] -%}
    {%- for system, shapes in var("systems").items() if shape in shapes -%}
        {%- do members.append(system) -%}
    {%- endfor -%}
    {%- for system in members %}
    select
        '{{ system }}' as system,
        {{ columns | join(",\n        ") }}
    from {{ ref(system ~ "__" ~ shape) }}
    {% if not loop.last %}union all{% endif %}
    {%- endfor -%}
{%- endmacro %}

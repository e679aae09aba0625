{#
    The last value of a column in a group: the window finds the moment, and of several
    values at one moment the least is taken, so that the order of rows does not show.
#}

{% macro moments_last_said(columns) -%}
    {#- `last_<column>_at` of a user and ds, beside every row. -#}
    {%- for column in columns -%}
    max(case when {{ column }} is not null then happened_at end) over (
        partition by ds, unified_user_id
    ) as last_{{ column }}_at{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro values_last_said(columns) -%}
    {#- `last_<column>` for a group by user and ds of rows that have those moments. -#}
    {%- for column in columns -%}
    min(case when happened_at = last_{{ column }}_at then {{ column }} end)
    {#- #} as last_{{ column }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

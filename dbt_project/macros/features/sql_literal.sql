{% macro sql_literal(value) -%}
    {#- A value of the config as a SQL literal: a text, a number or null. -#}
    {%- if value is none -%} null
    {%- elif value is number -%} {{ value }}
    {%- else -%} '{{ dbt.escape_single_quotes(value) }}'
    {%- endif -%}
{%- endmacro %}

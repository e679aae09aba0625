{% macro generate_schema_name(custom_schema_name, node) -%}
    {#-
        A model of schema `staging` is built in `build_staging`: what is published
        is written by `promote` alone, after the gate. A node without a schema of its
        own stays in the target's. Confirmed on duckdb, spark.
    -#}
    {%- if custom_schema_name is none -%}
        {{ target.schema }}
    {%- else -%}
        build_{{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}

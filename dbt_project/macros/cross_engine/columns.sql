{% macro all_columns_but(relation, columns) -%}
    {#-
        Every column of a relation except the ones named. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("all_columns_but", "strata")(relation, columns)) }}
{%- endmacro %}

{% macro default__all_columns_but(relation, columns) -%}
    {{ relation }}.* exclude ({{ columns | join(", ") }})
{%- endmacro %}

{% macro spark__all_columns_but(relation, columns) -%}
    {{ relation }}.* except ({{ columns | join(", ") }})
{%- endmacro %}

{% macro rows_hash(columns) -%}
    {#-
        A text that tells the content of a group of rows in these columns, whatever their
        order. It holds within one engine and its version: compare it with nothing else.
        Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("rows_hash", "strata")(columns)) }}
{%- endmacro %}

{% macro default__rows_hash(columns) -%}
    cast(sum(cast(hash({{ columns | join(", ") }}) as hugeint))
        as {{ dbt.type_string() }})
{%- endmacro %}

{% macro spark__rows_hash(columns) -%}
    cast(sum(cast(xxhash64({{ columns | join(", ") }}) as decimal(38, 0)))
        as {{ dbt.type_string() }})
{%- endmacro %}

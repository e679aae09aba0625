{% macro several_rows(relation, rows, known) -%}
    {#-
        Several rows for each row of `relation`, one for each of `rows`, which are dicts
        of column to SQL with the same columns. Rows whose column `known` is null are
        left out. duckdb scans the relation for each, which it does best; spark, where
        every branch of a union is a task of its own, scans it once. Confirmed on
        duckdb, spark.
    -#}
    {{ return(adapter.dispatch("several_rows", "strata")(relation, rows, known)) }}
{%- endmacro %}

{% macro default__several_rows(relation, rows, known) -%}
    {%- for row in rows %}
    select
        {%- for column, expr in row.items() %}
        {{ expr }} as {{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    where {{ row[known] }} is not null
    {% if not loop.last %}union all{% endif %}
    {%- endfor -%}
{%- endmacro %}

{% macro spark__several_rows(relation, rows, known) -%}
    select several.*
    from {{ relation }}
    lateral view inline(array(
        {%- for row in rows %}
        struct(
            {%- for column, expr in row.items() %}
            {{ expr }} as {{ column }}{{ "," if not loop.last }}
            {%- endfor %}
        ){{ "," if not loop.last }}
        {%- endfor %}
    )) several as {{ rows[0].keys() | join(", ") }}
    where several.{{ known }} is not null
{% endmacro %}

{% macro is_this_slice(slice_no) -%}
    {#-
        Whether a row is of the slice that is built. duckdb builds a table that is
        published `by_batch` slice by slice, each in one statement, where it would
        otherwise run out of memory; spark, which has its own ways, builds all at once.
        Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("is_this_slice", "strata")(slice_no)) }}
{%- endmacro %}

{% macro default__is_this_slice(slice_no) -%}
    {{ slice_no }} = coalesce(getvariable('slice_no'), 0)
{%- endmacro %}

{% macro spark__is_this_slice(slice_no) -%}
    {{ slice_no }} is not null
{%- endmacro %}

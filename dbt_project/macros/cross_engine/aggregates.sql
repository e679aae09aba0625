{% macro median(expr) -%}
    {#-
        The exact median of the non-null values as double, the mean of the middle two
        for an even count. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("median", "strata")(expr)) }}
{%- endmacro %}

{% macro default__median(expr) -%}
    quantile_cont(cast({{ expr }} as double), 0.5)
{%- endmacro %}

{% macro spark__median(expr) -%}
    percentile(cast({{ expr }} as double), 0.5)
{%- endmacro %}

{% macro joined_text(expr, order_by, separator=",") -%}
    {#-
        The non-null texts of a group in one, ordered by `order_by` (SQL): string_agg
        with a fixed order, so that it does not depend on threads. On spark the order
        is that of the texts themselves: give `order_by` as `expr`. Confirmed on duckdb,
        spark.
    -#}
    {{ return(adapter.dispatch("joined_text", "strata")(expr, order_by, separator)) }}
{%- endmacro %}

{% macro default__joined_text(expr, order_by, separator) -%}
    string_agg({{ expr }}, '{{ separator }}' order by {{ order_by }})
{%- endmacro %}

{% macro spark__joined_text(expr, order_by, separator) -%}
    listagg({{ expr }}, '{{ separator }}') within group (order by {{ order_by }})
{%- endmacro %}

{% macro count_where(condition) -%}
    {#- Rows of the group for which `condition` holds. Confirmed on duckdb, spark. -#}
    count(case when {{ condition }} then 1 end)
{%- endmacro %}

{% macro value_at_newest(expr, order_by) -%}
    {#-
        The value of `expr` in the group's row with the highest `order_by`; rows where
        `order_by` is null are left out. Ties are the caller's to break. Confirmed on
        duckdb, spark.
    -#}
    {{ return(adapter.dispatch("value_at_newest", "strata")(expr, order_by)) }}
{%- endmacro %}

{% macro default__value_at_newest(expr, order_by) -%}
    arg_max_null({{ expr }}, {{ order_by }})
{%- endmacro %}

{% macro spark__value_at_newest(expr, order_by) -%}
    max_by({{ expr }}, {{ order_by }})
{%- endmacro %}

{% macro text_in_order(expr, position, separator) -%}
    {#-
        The non-null texts of a group in one, by `position`, a number that no two rows
        of the group share; null where there is none. Confirmed on duckdb,
        spark.
    -#}
    {{ return(adapter.dispatch("text_in_order", "strata")(expr, position, separator)) }}
{%- endmacro %}

{% macro default__text_in_order(expr, position, separator) -%}
    string_agg({{ expr }}, '{{ separator }}' order by {{ position }})
{%- endmacro %}

{% macro spark__text_in_order(expr, position, separator) -%}
    nullif(
        array_join(
            transform(
                array_sort(collect_list(
                    case when {{ expr }} is not null
                        then named_struct('at', {{ position }}, 'text', {{ expr }}) end
                )),
                item -> item.text
            ),
            '{{ separator }}'
        ),
        ''
    )
{%- endmacro %}

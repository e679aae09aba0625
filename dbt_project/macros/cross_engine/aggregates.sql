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

{% macro decimal_sum(expr) -%}
    {#-
        The sum of doubles to four decimals, 0 of none: decimals add up to the same in
        any order, doubles do not. A number of fifteen digits or more before the point
        is left out. Confirmed on duckdb, spark.
    -#}
    cast(coalesce(sum({{ decimal_of_double(expr) }}), 0) as decimal(38, 4))
{%- endmacro %}

{% macro sorted_moments(expr) -%}
    {#-
        The timestamps of a group as a sorted array of microseconds since 1970.
        Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("sorted_moments", "strata")(expr)) }}
{%- endmacro %}

{% macro default__sorted_moments(expr) -%}
    list_sort(list(epoch_us({{ expr }})))
{%- endmacro %}

{% macro spark__sorted_moments(expr) -%}
    sort_array(collect_list(unix_micros({{ expr }})))
{%- endmacro %}

{% macro stretches_of(moments, gap_minutes) -%}
    {#-
        Into how many stretches an array of `sorted_moments` falls: one ends where
        nothing follows for longer than `gap_minutes`. Much cheaper than a window over
        the rows; `moments` is a column. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("stretches_of", "strata")(moments, gap_minutes)) }}
{%- endmacro %}

{% macro default__stretches_of(moments, gap_minutes) -%}
    len({{ moments }}) - len(list_filter(
        {{ moments }},
        (moment, place) -> (
            moment - {{ moments }}[place - 1] <= {{ gap_minutes * 60000000 }}
        )
    ))
{%- endmacro %}

{% macro spark__stretches_of(moments, gap_minutes) -%}
    cast(size({{ moments }}) - size(filter(
        {{ moments }},
        (moment, place) -> place > 0
            and moment - {{ moments }}[place - 1] <= {{ gap_minutes * 60000000 }}
    )) as bigint)
{%- endmacro %}

{% macro median_gap(numbers) -%}
    {#-
        The median distance from one number of an array of `sorted_marks` to the next,
        as double; null of fewer than two. `numbers` is a column: an expression would be
        computed anew for each of them. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("median_gap", "strata")(numbers)) }}
{%- endmacro %}

{% macro default__median_gap(numbers) -%}
    list_aggregate(
        list_transform(
            {{ numbers }}[2:], (number, place) -> number - {{ numbers }}[place]
        ),
        'quantile_cont',
        0.5
    )
{%- endmacro %}

{% macro spark__median_gap(numbers) -%}
    {%- set gaps = (
        "sort_array(transform(slice(" ~ numbers ~ ", 2, greatest(size(" ~ numbers
        ~ ") - 1, 0)), (number, place) -> number - " ~ numbers ~ "[place]))"
    ) -%}
    (
        get({{ gaps }}, cast((size({{ gaps }}) - 1) / 2 as int))
        + get({{ gaps }}, cast(size({{ gaps }}) / 2 as int))
    ) / 2.0D
{%- endmacro %}

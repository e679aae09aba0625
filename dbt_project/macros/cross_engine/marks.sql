{#
    Days of a user as marks: a number has a bit for each of 60 days, and the rows of a
    user, by `stretch_no`, one such stretch each. The lowest bit of stretch 0 is days_ago
    0. Days are counted, and put together, without a row for each of them.
#}

{% macro stretch_no(days_ago) -%}
    {#- The stretch of 60 days that a day lies in. Confirmed on duckdb, spark. -#}
    cast(floor({{ days_ago }} / 60.0) as integer)
{%- endmacro %}

{% macro marked_days(condition, days_ago) -%}
    {#-
        The days of a group by `stretch_no` on which `condition` holds; null for none.
        Confirmed on duckdb, spark.
    -#}
    bit_or(case when {{ condition }} then {{ day_mark(days_ago ~ " % 60") }} end)
{%- endmacro %}

{% macro day_mark(bit_no) -%}
    {#- The number that has this one bit. Confirmed on duckdb, spark. -#}
    {{ return(adapter.dispatch("day_mark", "strata")(bit_no)) }}
{%- endmacro %}

{% macro default__day_mark(bit_no) -%}
    cast(1 as bigint) << cast({{ bit_no }} as integer)
{%- endmacro %}

{% macro spark__day_mark(bit_no) -%}
    shiftleft(cast(1 as bigint), cast({{ bit_no }} as integer))
{%- endmacro %}

{% macro merged_marks(marks) -%}
    {#- The days of any of the rows of a group. Confirmed on duckdb, spark. -#}
    bit_or({{ marks }})
{%- endmacro %}

{% macro count_marks(marks, days=none) -%}
    {#-
        How many of the newest `days` are marked in the stretches of a group, or of all;
        the rows have `stretch_no`. Confirmed on duckdb, spark.
    -#}
    {%- if days is none -%}
    coalesce(sum(bit_count({{ marks }})), 0)
    {%- else -%}
    coalesce(sum(
        case
            {%- for stretch in range((days + 59) // 60) %}
            {%- set kept = [days - 60 * stretch, 60] | min %}
            when stretch_no = {{ stretch }}
                then bit_count({{ marks }} & {{ 2 ** kept - 1 }})
            {%- endfor %}
        end
    ), 0)
    {%- endif -%}
{%- endmacro %}

{% macro newest_mark(marks) -%}
    {#- Days since the newest day of a group; null for none. Confirmed on duckdb, spark. -#}
    min(
        case
            when {{ marks }} <> 0
                then 60 * stretch_no + bit_count(({{ marks }} & -{{ marks }}) - 1)
        end
    )
{%- endmacro %}

{% macro oldest_mark(marks) -%}
    {#- Days since the oldest day of a group; null for none. Confirmed on duckdb, spark. -#}
    max(
        case
            when {{ marks }} <> 0 then 60 * stretch_no + length(bin({{ marks }})) - 1
        end
    )
{%- endmacro %}

{% macro sorted_marks(marks) -%}
    {#-
        The days of a group as a sorted array of `days_ago`. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("sorted_marks", "strata")(marks)) }}
{%- endmacro %}

{% macro default__sorted_marks(marks) -%}
    list_sort(flatten(list(
        list_transform(
            list_filter(range(60), bit_no -> ({{ marks }} >> bit_no) & 1 = 1),
            bit_no -> 60 * stretch_no + bit_no
        )
    )))
{%- endmacro %}

{% macro spark__sorted_marks(marks) -%}
    sort_array(flatten(collect_list(
        transform(
            filter(sequence(0, 59), bit_no -> shiftright({{ marks }}, bit_no) & 1 = 1),
            bit_no -> 60 * stretch_no + bit_no
        )
    )))
{%- endmacro %}

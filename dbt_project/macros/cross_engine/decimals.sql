{#
    Numbers as decimals with the same last digit on both engines: a double near a tie is
    rounded by duckdb as it is stored, and by spark as it is written.
#}

{% macro amount_per(amount, parts) -%}
    {#-
        An amount of at most four decimals divided by a whole number, to four decimals,
        the last of which is rounded half away from zero; null where the number is not
        positive. In ten-thousandths both are whole numbers, which doubles hold and
        whose quotient they never take for a tie that it is not: exact for amounts of
        up to eleven digits before the point, at a fiftieth of what wide integers cost.
        Confirmed on duckdb, spark.
    -#}
    case
        when {{ parts }} > 0
            then try_cast(
                round(
                    round(cast({{ amount }} as double) * 10000)
                    / cast({{ parts }} as double)
                ) / 10000 as decimal(18, 4)
            )
    end
{%- endmacro %}

{% macro decimal_of_double(expr, precision=18, scale=4) -%}
    {#-
        A double as a decimal; null where it has too many digits before the point. What
        is rounded, half away from zero, is its product with the power of ten, as duckdb
        does it: spark's own cast goes by the digits that the double is written with,
        and takes 39.32375 for a tie. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("decimal_of_double", "strata")(expr, precision, scale)) }}
{%- endmacro %}

{% macro default__decimal_of_double(expr, precision, scale) -%}
    try_cast({{ expr }} as decimal({{ precision }}, {{ scale }}))
{%- endmacro %}

{% macro spark__decimal_of_double(expr, precision, scale) -%}
    cast(
        try_cast(
            round(({{ expr }}) * 1e{{ scale }}D) as decimal({{ precision }}, 0)
        ) * 1e-{{ scale }}BD as decimal({{ precision }}, {{ scale }})
    )
{%- endmacro %}

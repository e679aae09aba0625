{#
    Decimals of what is no text: the same last digit on both engines. A double near a
    tie has none of its own to go by, so money is divided in decimals.
#}

{% macro amount_per(amount, parts) -%}
    {#-
        An amount divided by a whole number, to four decimals, of which the last is
        rounded half away from zero; null where the number is not positive, and of an
        amount of fifteen digits or more before the point. Whole half digits are
        counted, which is exact, and the cast of a decimal rounds them. Confirmed on
        duckdb, spark.
    -#}
    case
        when {{ parts }} > 0
            then cast({{ whole_quotient(
                "cast(cast(" ~ to_decimal(amount)
                ~ " as decimal(22, 4)) * 20000 as bigint)",
                "cast(" ~ parts ~ " as bigint)"
            ) }} * 0.00005 as decimal(18, 4))
    end
{%- endmacro %}

{% macro whole_quotient(part, whole) -%}
    {#-
        How often a bigint goes into another, cut towards zero. Confirmed on duckdb,
        spark.
    -#}
    {{ return(adapter.dispatch("whole_quotient", "strata")(part, whole)) }}
{%- endmacro %}

{% macro default__whole_quotient(part, whole) -%}
    ({{ part }} // {{ whole }})
{%- endmacro %}

{% macro spark__whole_quotient(part, whole) -%}
    ({{ part }} div {{ whole }})
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

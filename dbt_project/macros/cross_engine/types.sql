{#
    Casts of texts that came from sources: null where the text is no such value, and
    never an error. The gates count what became null.
#}

{% macro to_decimal(expr, precision=18, scale=4) -%}
    {#- Money and prices, rounded to `scale`. Confirmed on duckdb, spark. -#}
    try_cast({{ expr }} as decimal({{ precision }}, {{ scale }}))
{%- endmacro %}

{% macro to_double(expr) -%}
    {#-
        A measure; infinities and NaN are not numbers here. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("to_double", "strata")(expr)) }}
{%- endmacro %}

{% macro default__to_double(expr) -%}
    case
        when isfinite(try_cast({{ expr }} as double))
            then try_cast({{ expr }} as double)
    end
{%- endmacro %}

{% macro spark__to_double(expr) -%}
    case
        when abs(try_cast({{ expr }} as double)) < double('Infinity')
            then try_cast({{ expr }} as double)
    end
{%- endmacro %}

{% macro to_bigint(expr) -%}
    {#-
        A whole number below 10^12: `12.0` is one, `12.5` is not. A wider decimal is no
        machine word and costs 30 times as much. Confirmed on duckdb, spark.
    -#}
    {%- set number = "try_cast(" ~ expr ~ " as decimal(18, 6))" -%}
    case
        when {{ number }} = floor({{ number }})
            then try_cast({{ number }} as bigint)
    end
{%- endmacro %}

{% macro to_boolean(expr) -%}
    {#-
        1, true, t, yes, y and 0, false, f, no, n in any case; null for all else.
        Confirmed on duckdb, spark.
    -#}
    case
        when lower(trim({{ expr }})) in ('1', 'true', 't', 'yes', 'y') then true
        when lower(trim({{ expr }})) in ('0', 'false', 'f', 'no', 'n') then false
    end
{%- endmacro %}

{% macro to_integer_text(expr) -%}
    {#-
        The number of a record as it is meant: `17850.0`, which a spreadsheet made of
        17850, becomes `17850`. Confirmed on duckdb, spark.
    -#}
    regexp_replace(trim({{ expr }}), '[.]0+$', '')
{%- endmacro %}

{% macro to_text(expr) -%}
    {#-
        A text without its outer blanks; null where nothing is left. Confirmed on
        duckdb, spark.
    -#}
    nullif(trim({{ expr }}), '')
{%- endmacro %}

{% macro is_weekend(expr) -%}
    {#- Whether a date is a Saturday or a Sunday. 1970-01-05 was a Monday. -#}
    {{ date_diff_days("date '1970-01-05'", expr) }} % 7 in (5, 6)
{%- endmacro %}

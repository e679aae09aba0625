{% macro faded(count, days_ago) -%}
    {#-
        A count that halves with every half-life of interest (config/features.yml) that
        has passed since. A decimal, so that the order of a sum does not show.
    -#}
    {%- set half_life = feature_settings().interest.half_life_days -%}
    {{ decimal_of_double(
        count ~ " * power(cast(0.5 as double), cast(" ~ days_ago ~ " as double) / "
        ~ half_life ~ ")",
        scale=9
    ) }}
{%- endmacro %}

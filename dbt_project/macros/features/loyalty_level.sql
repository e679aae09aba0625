{% macro loyalty_level(points) -%}
    {#- The highest level of config/features.yml that so many points reach. -#}
    {%- set levels = feature_settings().loyalty.levels -%}
    case
        {%- for level, least in levels | dictsort(by="value", reverse=true) %}
        when {{ points }} >= {{ least }} then '{{ level }}'
        {%- endfor %}
    end
{%- endmacro %}

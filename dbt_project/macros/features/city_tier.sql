{% macro city_tier(city) -%}
    {#- The tier of a city by config/features.yml; null for one that has none. -#}
    {%- set tiers = feature_settings().city_tiers -%}
    {%- if tiers -%}
    case
        {%- for tier, cities in tiers.items() %}
        when lower({{ city }}) in (
            {%- for name in cities -%}
            {{ sql_literal(name | lower) }}{{ ", " if not loop.last }}
            {%- endfor -%}
        ) then '{{ tier }}'
        {%- endfor %}
    end
    {%- else -%}
    cast(null as {{ dbt.type_string() }})
    {%- endif -%}
{%- endmacro %}

{% macro device_band(model) -%}
    {#-
        The price band of a device's model by config/features.yml, null for one that has
        none. `model` is in lower case and without spaces. The longest beginning that a
        model has is asked for first.
    -#}
    {%- set bands = feature_settings().device_bands -%}
    {%- if bands -%}
    case
        {%- for band in bands %}
        when substr({{ model }}, 1, {{ band.length }}) in (
            {%- for beginning in band.beginnings -%}
            {{ sql_literal(beginning) }}{{ ", " if not loop.last }}
            {%- endfor -%}
        ) then '{{ band.band }}'
        {%- endfor %}
    end
    {%- else -%}
    cast(null as {{ dbt.type_string() }})
    {%- endif -%}
{%- endmacro %}

{% macro catalogue_rows(columns) -%}
    {#- The catalogue of config/features.yml as selects of literals, one a feature. -#}
    {%- for feature in feature_settings().catalogue -%}
    select
        {%- for column in columns %}
        {{ sql_literal(feature[column]) }} as {{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    {{- "\n    union all\n    " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

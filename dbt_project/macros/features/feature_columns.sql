{% macro feature_columns(family) -%}
    {#- The features of a family, each cast to the type that its contract promises. -#}
    {%- set features = feature_settings().catalogue
        | selectattr("family", "equalto", family) -%}
    {%- for feature in features -%}
    {%- set data_type = (
        dbt.type_string() if feature.data_type == "string" else feature.data_type
    ) -%}
    cast({{ feature.name }} as {{ data_type }}) as {{ feature.name }}
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro all_feature_columns() -%}
    {#- Every feature from the relation named as its family, in the catalogue's order. -#}
    {%- for feature in feature_settings().catalogue -%}
    {{ feature.family }}.{{ feature.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

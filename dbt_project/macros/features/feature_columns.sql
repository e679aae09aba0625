{% macro all_feature_columns() -%}
    {#-
        Every feature from the relation named as its family, in the catalogue's order,
        cast to the type that its contract promises. Each is written once: dbt takes
        the text of a model to pieces to put what it stands on before it, and that
        costs more than the engine takes to plan it.
    -#}
    {%- for feature in feature_settings().catalogue -%}
    {%- set data_type = (
        dbt.type_string() if feature.data_type == "string" else feature.data_type
    ) -%}
    cast({{ feature.family }}.{{ feature.name }} as {{ data_type }})
    {#- #} as {{ feature.name }}{{ ",\n" if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

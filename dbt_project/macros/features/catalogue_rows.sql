{% macro catalogue_rows(columns) -%}
    {#-
        The catalogue of config/features.yml as a select of literals, one row a feature:
        one relation, since an engine plans each branch of a union by itself.
    -#}
    select {{ columns | join(", ") }}
    from (
        values
        {%- for feature in feature_settings().catalogue %}
        (
            {%- for column in columns %}
            {{ sql_literal(feature[column]) }}{{ "," if not loop.last }}
            {%- endfor %}
        ){{ "," if not loop.last }}
        {%- endfor %}
    ) as listed ({{ columns | join(", ") }})
{%- endmacro %}

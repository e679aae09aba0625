{#
    Measures × windows of config/features.yml. A model of a family selects the daily
    columns with `measured_columns`, sums them over the windows with
    `windowed_measures`, and hands the sums on with `measured_features`.
#}

{% macro measured_columns(family) -%}
    {#- The daily columns that the family's measures are made of, each once. -#}
    {%- set columns = feature_settings().measures
        | selectattr("family", "equalto", family)
        | map(attribute="column") | unique -%}
    {{ columns | join(",\n        ") }}
{%- endmacro %}

{% macro windowed_measures(family, days) -%}
    {#-
        The features as columns of a group by user and ds. The relation `days` has the
        daily columns, `activity_on` and `days_ago` (0 is ds). Without a day it is 0.
    -#}
    {%- set measures = feature_settings().measures
        | selectattr("family", "equalto", family) -%}
    {%- for measure in measures -%}
    {%- set column = days ~ "." ~ measure.column -%}
    {%- set within = days ~ ".days_ago < " ~ measure.window_days -%}
    {%- if measure.aggregate == "days" -%}
    count(distinct case
        {#- #} when {{ column }} > 0{{ " and " ~ within if measure.window_days }}
        {#- #} then {{ days }}.activity_on end)
    {%- elif measure.window_days -%}
    coalesce(sum(case when {{ within }} then {{ column }} end), 0)
    {%- else -%}
    coalesce(sum({{ column }}), 0)
    {%- endif %} as {{ measure.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro measured_features(family, relation) -%}
    {#- The columns that `windowed_measures` made, from `relation`. -#}
    {%- set measures = feature_settings().measures
        | selectattr("family", "equalto", family) -%}
    {%- for measure in measures -%}
    {{ relation }}.{{ measure.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

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

{% macro has_measures(family, more=[]) -%}
    {#-
        Whether a day has something of the family's columns, or of `more`: to leave out
        the others, most of all days, changes no sum.
    -#}
    {%- set columns = feature_settings().measures
        | selectattr("family", "equalto", family)
        | map(attribute="column") | unique | list -%}
    {%- for column in columns + more -%}
    coalesce({{ column }}, 0) <> 0{{ "\n        or " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro windowed_measures(family, days, aggregates=["sum", "days"]) -%}
    {#-
        The features as columns of a group by user and ds. The relation `days` has the
        daily columns, `activity_on` and `days_ago` (0 is ds). `aggregates`: a family
        that counts days may leave them to `counted_days`, which costs far less.
    -#}
    {%- set measures = feature_settings().measures
        | selectattr("family", "equalto", family)
        | selectattr("aggregate", "in", aggregates) -%}
    {%- for measure in measures -%}
    {%- set column = days ~ "." ~ measure.column -%}
    {%- set within = days ~ ".days_ago < " ~ measure.window_days -%}
    {%- if measure.aggregate == "days" -%}
    count(distinct case
        {#- #} when {{ column }} > 0{{ " and " ~ within if measure.window_days }}
        {#- #} then {{ days }}.activity_on end)
    {%- elif measure.window_days -%}
    sum(case when {{ within }} then {{ column }} end)
    {%- else -%}
    sum({{ column }})
    {%- endif %} as {{ measure.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro most_of_a_day(family) -%}
    {#- For `counted_days`, a group by user, ds and day: the most that a channel had. -#}
    {%- set columns = feature_settings().measures
        | selectattr("family", "equalto", family)
        | selectattr("aggregate", "equalto", "days")
        | map(attribute="column") | unique -%}
    {%- for column in columns -%}
    max({{ column }}) as {{ column }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro counted_days(family, days) -%}
    {#- The features that count days, from `days` with one row a user, ds and day. -#}
    {%- set measures = feature_settings().measures
        | selectattr("family", "equalto", family)
        | selectattr("aggregate", "equalto", "days") -%}
    {%- for measure in measures -%}
    {%- set within = " and " ~ days ~ ".days_ago < " ~ measure.window_days -%}
    {{ count_where(
        days ~ "." ~ measure.column ~ " > 0" ~ (within if measure.window_days else "")
    ) }} as {{ measure.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro measured_features(family, relation, aggregates=["sum", "days"]) -%}
    {#-
        The columns that `windowed_measures` or `counted_days` made, from `relation`;
        0 for a user without a day.
    -#}
    {%- set measures = feature_settings().measures
        | selectattr("family", "equalto", family)
        | selectattr("aggregate", "in", aggregates) -%}
    {%- for measure in measures -%}
    coalesce({{ relation }}.{{ measure.name }}, 0) as {{ measure.name }}
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

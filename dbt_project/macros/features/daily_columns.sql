{#
    The additive columns of features.daily_activity: those that every tenant has, and
    the event counts of config/features.yml.
#}

{% macro event_counts() -%}
    {#- The configured event counts as columns of a group of events. -#}
    {%- for name, types in feature_settings().event_counts.items() -%}
    {{ count_where("event_type in ('" ~ types | join("', '") ~ "')") }} as {{ name }}
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro no_event_counts() -%}
    {#- The same columns, null: of rows that are no events. -#}
    {%- for name in feature_settings().event_counts -%}
    null as {{ name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro summed_event_counts(relation) -%}
    {#- Their sums over rows of `relation` that have them already. -#}
    {%- for name in feature_settings().event_counts -%}
    sum({{ relation }}.{{ name }}) as {{ name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro event_count_columns(relation) -%}
    {#- The columns that `event_counts` made, from `relation`. -#}
    {%- for name in feature_settings().event_counts -%}
    {{ relation }}.{{ name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro daily_columns(relation=none) -%}
    {#- All additive columns, from `relation` where one is named. -#}
    {%- for column in feature_settings().daily_columns -%}
    {{ relation ~ "." if relation }}{{ column.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro typed_daily_columns() -%}
    {#- All additive columns in the type of their contract; what did not happen is 0. -#}
    {%- for column in feature_settings().daily_columns -%}
    cast(coalesce({{ column.name }}, 0) as {{ column.data_type }})
    {#- #} as {{ column.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

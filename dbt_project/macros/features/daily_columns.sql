{#
    The additive columns of features.daily_activity: those that every tenant has, and
    the event counts of config/features.yml.
#}

{% macro event_counts() -%}
    {#-
        The configured event counts as columns of a group of events, which have
        system, event_type, category, value, event_on and local_hour.
    -#}
    {%- for name, wanted in feature_settings().event_counts.items() -%}
    {%- if wanted.sums -%}
    cast(sum(case
        {#- #} when {{ is_counted_event(wanted) }}
        {#- #} then cast({{ wanted.sums }} as decimal(18, 4)) end) as decimal(38, 4))
    {%- else -%}
    {{ count_where(is_counted_event(wanted)) }}
    {%- endif %} as {{ name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro is_counted_event(wanted) -%}
    {#- Whether an event meets all that an event count of the config names. -#}
    {%- set conditions = [] -%}
    {%- for column, values in {
        "event_type": wanted.types,
        "system": wanted.channels,
        "category": wanted.categories,
    }.items() if values -%}
    {%- do conditions.append(column ~ " in ('" ~ values | join("', '") ~ "')") -%}
    {%- endfor -%}
    {%- if wanted.days -%}
    {%- set no = "not " if wanted.days == "weekday" else "" -%}
    {%- do conditions.append(no ~ "(" ~ is_weekend("event_on") ~ ")") -%}
    {%- endif -%}
    {%- set hours = [] -%}
    {%- for since, until in wanted.hours -%}
    {%- do hours.append("local_hour between " ~ since ~ " and " ~ (until - 1)) -%}
    {%- endfor -%}
    {%- if hours -%}
    {%- do conditions.append("(" ~ hours | join(" or ") ~ ")") -%}
    {%- endif -%}
    {{ conditions | join(" and ") }}
{%- endmacro %}

{% macro days_by_record() -%}
    {#-
        The models that count days by record, as a list of {model, day, columns}:
        events, and the `day_counts` of config/features.yml. `columns` maps the daily
        column to its expression.
    -#}
    {%- set settings = feature_settings() -%}
    {%- set events = {
        "activity_count": "event_count",
        "night_activity_count": "night_event_count",
        "event_count": "event_count",
        "session_count": "session_count",
        "dwell_seconds": "dwell_seconds",
    } -%}
    {%- for name in settings.event_counts -%}
        {%- do events.update({name: name}) -%}
    {%- endfor -%}
    {%- set found = [
        {"model": "int_event_days_gathered", "day": "event_on", "columns": events}
    ] -%}
    {%- for counts in settings.day_counts -%}
        {%- set columns = {} -%}
        {%- for name in counts.columns -%}
            {%- do columns.update({name: name}) -%}
        {%- endfor -%}
        {%- do found.append(
            {"model": counts.model, "day": counts.day, "columns": columns}
        ) -%}
    {%- endfor -%}
    {{ return(found) }}
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

{% macro columns_of_a_part(columns) -%}
    {#-
        All additive columns of one part of a union, in the order of the catalogue:
        `columns` maps those that the part counts to their expressions; the others are
        null in a type that the union can take.
    -#}
    {%- for column in feature_settings().daily_columns -%}
    {%- set as_type = (
        "decimal(18, 4)" if column.data_type.startswith("decimal") else "bigint"
    ) -%}
    cast({{ columns.get(column.name, "null") }} as {{ as_type }}) as {{ column.name }}
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro summed_daily_columns(relation) -%}
    {#- The sums of all additive columns over rows of `relation`. -#}
    {%- for column in feature_settings().daily_columns -%}
    sum({{ relation }}.{{ column.name }}) as {{ column.name }}
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro summed_typed_daily_columns(relation) -%}
    {#- The same sums in the type of their contract; the columns are never null. -#}
    {%- for column in feature_settings().daily_columns -%}
    cast(sum({{ relation }}.{{ column.name }}) as {{ column.data_type }})
    {#- #} as {{ column.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#
    The additive columns of features.daily_activity: those that every tenant has, and
    the event counts of config/features.yml.
#}

{% macro event_counts() -%}
    {#-
        The configured event counts as columns of a group of events, which have
        system, event_type, category, value and the columns of `times_of_day`.
    -#}
    {%- for name, wanted in feature_settings().event_counts.items() -%}
    {%- if wanted.sums -%}
    {{ decimal_sum(
        "case when " ~ is_counted_event(wanted) ~ " then " ~ wanted.sums ~ " end"
    ) }}
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
    {%- if wanted.days or wanted.hours -%}
    {%- do conditions.append(time_of_day(wanted)) -%}
    {%- endif -%}
    {{ conditions | join(" and ") }}
{%- endmacro %}

{% macro time_of_day(wanted) -%}
    {#- The column that tells the days and hours of an event count, at_weekday_12_14. -#}
    at_{{ wanted.days or "day" }}
    {%- for since, until in wanted.hours -%}
    {{ "_%02d_%02d" | format(since, until) }}
    {%- endfor -%}
{%- endmacro %}

{% macro times_of_day() -%}
    {#- Those columns, each once, of a row with event_on and local_hour. -#}
    {%- set times = {} -%}
    {%- for wanted in feature_settings().event_counts.values() -%}
    {%- if wanted.days or wanted.hours -%}
    {%- do times.update({time_of_day(wanted): is_at_time(wanted)}) -%}
    {%- endif -%}
    {%- endfor -%}
    {%- for name, condition in times.items() -%}
    {{ condition }} as {{ name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro is_at_time(wanted) -%}
    {#- Whether a row with event_on and local_hour lies in the days and hours. -#}
    {%- set conditions = [] -%}
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

{% macro columns_of_a_part(columns) -%}
    {#-
        All additive columns of one part of a union, in the order of the catalogue:
        `columns` maps those that the part counts to their expressions, which are never
        null; the others are 0. Whole numbers are doubles, which hold them up to 2^53
        and which DuckDB adds up in half the time that it needs for integers.
    -#}
    {%- for column in feature_settings().daily_columns -%}
    {%- set as_type = (
        "decimal(18, 4)" if column.data_type.startswith("decimal") else "double"
    ) -%}
    cast({{ columns.get(column.name, "0") }} as {{ as_type }}) as {{ column.name }}
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro summed_daily_columns() -%}
    {#-
        The sums of all additive columns over a group, in the types of their contract;
        what did not happen is 0.
    -#}
    {%- for column in feature_settings().daily_columns -%}
    cast(coalesce(sum({{ column.name }}), 0) as {{ column.data_type }})
    {#- #} as {{ column.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro added_daily_columns() -%}
    {#-
        The same of `columns_of_a_part`, in the types that it has: what is added up
        again stays a double.
    -#}
    {%- for column in feature_settings().daily_columns -%}
    {%- if column.data_type.startswith("decimal") -%}
    cast(sum({{ column.name }}) as decimal(18, 4))
    {%- else -%}
    sum({{ column.name }})
    {%- endif %} as {{ column.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro columns_of_days() -%}
    {#-
        The additive columns of which a measure counts the days, and those whose days
        the models ask for whatever is measured.
    -#}
    {%- set measured = (
        feature_settings().measures
        | selectattr("aggregate", "equalto", "days")
        | map(attribute="column")
        | list
    ) -%}
    {%- set asked = [
        "activity_count", "order_count", "chat_count", "article_read_count"
    ] -%}
    {{ return((measured + asked) | unique | list) }}
{%- endmacro %}

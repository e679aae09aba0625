{#
    Measures × windows × channel groups of config/features.yml. A model of a family sums
    rows of int_user_windows_summed with `summed_windows`, counts days with
    `counted_days`, and hands both on with `measured_features`.
#}

{% macro window_no(days_ago) -%}
    {#- The place of a day among the windows: 0 lies in the shortest; days_ago 0 is ds. -#}
    case
        {%- for days in feature_settings().window_days %}
        when {{ days_ago }} < {{ days }} then {{ loop.index0 }}
        {%- endfor %}
        else {{ feature_settings().window_days | length }}
    end
{%- endmacro %}

{% macro measures_of(family, aggregates) -%}
    {#- The measures of a family that aggregate in one of these ways. -#}
    {{ return(
        feature_settings().measures
        | selectattr("family", "equalto", family)
        | selectattr("aggregate", "in", aggregates)
        | list
    ) }}
{%- endmacro %}

{% macro within_measure(measure, relation) -%}
    {#- Whether a row of int_user_windows_summed lies in a measure's window and group. -#}
    {%- set windows = feature_settings().window_days -%}
    {%- if measure.window_days -%}
    {{ relation }}.window_no <= {{ windows.index(measure.window_days) }}
    {%- else -%}
    true
    {%- endif -%}
    {%- if measure.channels %} and {{ relation }}.channel_group in (
        {#- #}'{{ measure.channels | join("', '") }}')
    {%- endif -%}
{%- endmacro %}

{% macro summed_windows(family, relation) -%}
    {#-
        The features of a family that add up, their ratios, and the days of one channel
        group, as columns of a group by user and ds of int_user_windows_summed.
    -#}
    {%- for measure in measures_of(family, ["sum", "days", "ratio"])
        if measure.aggregate != "days" or measure.channels -%}
    {%- set within = within_measure(measure, relation) -%}
    {%- set column = measure.column ~ ("_days" if measure.aggregate == "days" else "") -%}
    {%- if measure.aggregate == "ratio" and measure.is_amount -%}
    {{ amount_per(
        summed_within(relation, column, within),
        summed_within(relation, measure.of, within)
    ) }}
    {%- elif measure.aggregate == "ratio" -%}
    {{ ratio_of(
        summed_within(relation, column, within),
        summed_within(relation, measure.of, within),
        measure.at_most
    ) }}
    {%- else -%}
    {{ summed_within(relation, column, within) }}
    {%- endif %} as {{ measure.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro summed_within(relation, column, within) -%}
    {#- The sum of a column over the rows of a group that lie within a window. -#}
    sum(case when {{ within }} then {{ relation }}.{{ column }} end)
{%- endmacro %}

{% macro ratio_of(part, whole, at_most=none) -%}
    {#- One number as a share of another, null where the other is not positive. -#}
    case
        when {{ whole }} > 0
            then {{ "least(" if at_most is not none }}
                {#- #}cast({{ part }} as double) / cast({{ whole }} as double)
                {{- ", " ~ at_most ~ ")" if at_most is not none }}
    end
{%- endmacro %}

{% macro counted_channel_days(days) -%}
    {#- Of each column whose days are counted, the days of the group that have it. -#}
    {%- for column in columns_of_days() -%}
    {{ count_where(days ~ "." ~ column ~ " > 0") }} as {{ column }}_days
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro channel_day_counts(counted) -%}
    {#- What `counted_channel_days` made, from `counted`. -#}
    {{ counted }}.{{ columns_of_days() | join("_days,\n        " ~ counted ~ ".") }}_days
{%- endmacro %}

{% macro most_of_a_day(family) -%}
    {#- For `counted_days`, a group by user, ds and day: the most that a channel had. -#}
    {%- for column in measures_of(family, ["days"]) | map(attribute="column") | unique -%}
    max({{ column }}) as {{ column }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro counted_days(family, days=none) -%}
    {#-
        The features that count days of all channels, from `days` with one row a user,
        ds and day: a day on which two channels were used is one.
    -#}
    {%- for measure in measures_of(family, ["days"]) if not measure.channels -%}
    {%- set of = days ~ "." if days else "" -%}
    {%- set within = " and " ~ of ~ "days_ago < " ~ measure.window_days -%}
    {{ count_where(
        of ~ measure.column ~ " > 0" ~ (within if measure.window_days else "")
    ) }} as {{ measure.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro measured_features(family, summed, counted=none) -%}
    {#-
        The columns that `summed_windows` made, from `summed`, and those of
        `counted_days`, from `counted`; 0 for a user without a day, null for a ratio
        or a mean.
    -#}
    {%- for measure in measures_of(family, ["sum", "days", "ratio", "mean"]) -%}
    {%- set is_counted = measure.aggregate == "days" and not measure.channels -%}
    {%- set relation = (counted or summed) if is_counted else summed -%}
    {%- if measure.aggregate in ["ratio", "mean"] -%}
    {{ relation }}.{{ measure.name }}
    {%- else -%}
    coalesce({{ relation }}.{{ measure.name }}, 0) as {{ measure.name }}
    {%- endif -%}
    {{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro windowed_measures(family) -%}
    {#-
        The features as columns of a group by user and ds of entries, which have the
        columns of the family's measures and `days_ago`. Entries are few: what many
        rows say is added up once for all windows by `summed_windows`.
    -#}
    {%- for measure in measures_of(family, ["sum", "mean"]) -%}
    {%- set part = (
        "case when days_ago < " ~ measure.window_days ~ " then " ~ measure.column ~ " end"
        if measure.window_days else measure.column
    ) -%}
    {%- if measure.aggregate == "mean" -%}
    cast(sum({{ part }}) as double) / nullif(count({{ part }}), 0)
    {%- else -%}
    sum({{ part }})
    {%- endif %} as {{ measure.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

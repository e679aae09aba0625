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
        The features of a family that add up, and their ratios, as columns of a group by
        user and ds of int_user_windows_summed.
    -#}
    {%- for measure in measures_of(family, ["sum", "ratio"]) -%}
    {%- set within = within_measure(measure, relation) -%}
    {%- if measure.aggregate == "ratio" and measure.is_amount -%}
    {{ amount_per(
        summed_within(relation, measure.column, within),
        summed_within(relation, measure.of, within)
    ) }}
    {%- elif measure.aggregate == "ratio" -%}
    {{ ratio_of(
        summed_within(relation, measure.column, within),
        summed_within(relation, measure.of, within),
        measure.at_most
    ) }}
    {%- else -%}
    {{ summed_within(relation, measure.column, within) }}
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

{% macro marked_columns() -%}
    {#- Of a group by stretch: the days that have something of each counted column. -#}
    {%- for column in columns_of_days() -%}
    {{ marked_days(column ~ " > 0", "days_ago") }} as {{ column }}_marks
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro marks_of_days(family) -%}
    {#-
        For `counted_days`: the days that a family counts, each once however many
        channels were used; a group by user, ds and stretch of int_user_days_marked.
    -#}
    {%- set found = {} -%}
    {%- for measure in measures_of(family, ["days"]) -%}
    {%- set marks = measure.column ~ "_marks" -%}
    {%- set of_channels = (
        "case when channel_group in ('" ~ measure.channels | join("', '") ~ "') then "
        ~ marks ~ " end"
    ) if measure.channels else marks -%}
    {%- do found.update({marks_name(measure): merged_marks(of_channels)}) -%}
    {%- endfor -%}
    {%- for name, marks in found.items() -%}
    {{ marks }} as {{ name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro marks_name(measure) -%}
    {#- What `marks_of_days` calls the days of a measure. -#}
    {{ ([measure.column ~ "_marks"] + (measure.channels or [])) | join("_") }}
{%- endmacro %}

{% macro counted_days(family) -%}
    {#-
        The features that count days, as columns of a group by user and ds of the rows
        that `marks_of_days` made.
    -#}
    {%- for measure in measures_of(family, ["days"]) -%}
    {{ count_marks(marks_name(measure), measure.window_days) }} as {{ measure.name }}
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro measured_features(family, summed, counted=none) -%}
    {#-
        The columns that `summed_windows` made, from `summed`, and those of
        `counted_days`, from `counted`; 0 for a user without a day, null for a ratio
        or a mean.
    -#}
    {%- for measure in measures_of(family, ["sum", "days", "ratio", "mean"]) -%}
    {%- set is_counted = measure.aggregate == "days" -%}
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

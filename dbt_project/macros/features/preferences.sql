{#
    The parts of the day, the scenarios and the channels of config/features.yml as
    columns of feat_preference.
#}

{% macro preference_day_columns() -%}
    {#- The daily columns that count parts of the day and scenarios. -#}
    {%- set settings = feature_settings() -%}
    {%- set columns = [] -%}
    {%- for part in settings.day_parts -%}
    {%- do columns.append("events_" ~ part ~ "_count") -%}
    {%- do columns.append("reads_" ~ part ~ "_count") -%}
    {%- endfor -%}
    {%- for name in settings.scenarios -%}
    {%- do columns.append("scenario_" ~ name ~ "_count") -%}
    {%- endfor -%}
    {{ columns | join(",\n        ") }}
{%- endmacro %}

{% macro preference_sums() -%}
    {#- Their sums over 90 days, `<column>_90d`; of the parts also over all, `_365d`. -#}
    {%- set settings = feature_settings() -%}
    {%- for part in settings.day_parts -%}
    {{ sum_within("events_" ~ part ~ "_count", 90) }} as events_{{ part }}_90d,
        {{ sum_within("events_" ~ part ~ "_count", 365) }} as events_{{ part }}_365d,
        {{ sum_within("reads_" ~ part ~ "_count", 365) }} as reads_{{ part }}_365d,
        {% endfor -%}
    {%- for name in settings.scenarios -%}
    {{ sum_within("scenario_" ~ name ~ "_count", 90) }} as scenario_{{ name }}_90d,
        {% endfor -%}
    {{ sum_within("event_count", 90) }} as event_count_90d
{%- endmacro %}

{% macro sum_within(column, days) -%}
    {#- The sum of a column over the newest 90 days of a group, or over all 365. -#}
    {%- if days == 90 -%}
    coalesce(sum(case when is_within_90d then {{ column }} end), 0)
    {%- else -%}
    coalesce(sum({{ column }}), 0)
    {%- endif -%}
{%- endmacro %}

{% macro is_within(days) -%}
    {#- Whether a row of int_user_windows_summed lies in the newest days. -#}
    window_no <= {{ feature_settings().window_days.index(days) }}
{%- endmacro %}

{% macro hour_sums(kind, window) -%}
    {#- Part of the day to its sum, from the relation `hours`. -#}
    {%- set sums = {} -%}
    {%- for part in feature_settings().day_parts -%}
    {%- do sums.update({part: "hours." ~ kind ~ "_" ~ part ~ "_" ~ window}) -%}
    {%- endfor -%}
    {{ return(sums) }}
{%- endmacro %}

{% macro scenario_sums() -%}
    {#- Scenario to its sum over 90 days, from the relation `hours`. -#}
    {%- set sums = {} -%}
    {%- for name in feature_settings().scenarios -%}
    {%- do sums.update({name: "hours.scenario_" ~ name ~ "_90d"}) -%}
    {%- endfor -%}
    {{ return(sums) }}
{%- endmacro %}

{% macro hour_shares() -%}
    {#- The shares of the parts of the day and of the scenarios in 90 days. -#}
    {%- for part, count in hour_sums("events", "90d").items() -%}
    {{ share_of(count, "hours.event_count_90d") }} as hours_{{ part }}_share_90d,
        {% endfor -%}
    {%- for name, count in scenario_sums().items() -%}
    {{ share_of(count, "hours.event_count_90d") }} as scenario_{{ name }}_share_90d
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro channel_shares() -%}
    {#- For a group by user and ds of channels with `share_90d`: one column a channel. -#}
    {%- for channel in feature_settings().preference_channels -%}
    max(case when channel_group = '{{ channel }}' then share_90d end)
    {#- #} as channel_{{ channel }}_share_90d{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro known_channel_shares(channels) -%}
    {#- The same from `channels`; 0 where the user was active in others only. -#}
    {%- for channel in feature_settings().preference_channels -%}
    {%- set name = "channel_" ~ channel ~ "_share_90d" -%}
    case
        when {{ channels }}.activity_90d > 0
            then coalesce({{ channels }}.{{ name }}, 0)
    end as {{ name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

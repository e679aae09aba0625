{#
    Funnels of config/features.yml. Relations that these look at have, for each step,
    `<step>_first_at` and `<step>_last_at`: the first and the last moment of it in the
    period that a row stands for.
#}

{% macro funnel_event_steps() -%}
    {#- The steps that are events: all but the order, which comes last. -#}
    {{ return(feature_settings().journeys.funnel_steps[:-1]) }}
{%- endmacro %}

{% macro step_moments() -%}
    {#- First and last moment of each such step, of a group of events. -#}
    {%- for step in funnel_event_steps() -%}
    min(case when event_type = '{{ step }}' then event_at end) as {{ step }}_first_at,
    max(case when event_type = '{{ step }}' then event_at end) as {{ step }}_last_at
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro cart_amount() -%}
    {#- What was put into the cart, of a group of events; null where nothing was. -#}
    {%- set step = feature_settings().journeys.cart_step -%}
    cast(sum(
        case when event_type = '{{ step }}' then {{ decimal_of_double("value") }} end
    ) as decimal(38, 4))
{%- endmacro %}

{% macro step_moment_names() -%}
    {#- The names of the columns that `step_moments` makes, as a list. -#}
    {%- set names = [] -%}
    {%- for step in funnel_event_steps() -%}
        {%- do names.extend([step ~ "_first_at", step ~ "_last_at"]) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}

{% macro merged_step_moments(relation) -%}
    {#- The same, of a group of rows that have them. -#}
    {%- for step in funnel_event_steps() -%}
    min({{ relation }}.{{ step }}_first_at) as {{ step }}_first_at,
    max({{ relation }}.{{ step }}_last_at) as {{ step }}_last_at
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro step_moment_columns(relation) -%}
    {#- The same as columns of `relation`. -#}
    {%- for step in funnel_event_steps() -%}
    {{ relation }}.{{ step }}_first_at,
    {{ relation }}.{{ step }}_last_at{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro has_reached(step_no) -%}
    {#-
        Whether a row got to the step of that number (1 is the first): it has the first
        step, and each further one not before the first moment of the one before.
    -#}
    {%- set steps = feature_settings().journeys.funnel_steps -%}
    coalesce(
        {{ steps[0] }}_first_at is not null
        {%- for number in range(1, step_no) %}
        and {{ steps[number] }}_last_at >= {{ steps[number - 1] }}_first_at
        {%- endfor %},
        false
    )
{%- endmacro %}

{% macro seconds_to_step(step_no) -%}
    {#-
        Seconds from the first moment of the step before to that of the step of this
        number; null where it was not reached, or first came before the other.
    -#}
    {%- set steps = feature_settings().journeys.funnel_steps -%}
    {%- set before = steps[step_no - 2] ~ "_first_at" -%}
    {%- set then = steps[step_no - 1] ~ "_first_at" -%}
    case
        when {{ has_reached(step_no) }} and {{ then }} >= {{ before }}
            then {{ seconds_between(before, then) }}
    end
{%- endmacro %}

{% macro reached_steps() -%}
    {#- `reached_<step>`, 1 or 0, and `seconds_to_<step>` for each step of a row. -#}
    {%- for step in feature_settings().journeys.funnel_steps -%}
    case when {{ has_reached(loop.index) }} then 1 else 0 end as reached_{{ step }}
    {%- if not loop.first %},
    {{ seconds_to_step(loop.index) }} as seconds_to_{{ step }}
    {%- endif -%}
    {{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro windowed_rows(rows, relation) -%}
    {#-
        The features that config/features.yml makes of `rows`, as columns of a group by
        user and ds; `relation` has their columns and `days_ago` (0 is ds).
    -#}
    {%- for measure in feature_settings().row_measures[rows] -%}
    {%- set column = relation ~ "." ~ measure.column -%}
    {%- if measure.window_days -%}
    sum(
        case when {{ relation }}.days_ago < {{ measure.window_days }} then {{ column }} end
    )
    {%- else -%}
    sum({{ column }})
    {%- endif %} as {{ measure.name }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro row_features(rows, relation) -%}
    {#- The columns that `windowed_rows` made; 0 for a user without a row. -#}
    {%- for measure in feature_settings().row_measures[rows] -%}
    coalesce({{ relation }}.{{ measure.name }}, 0) as {{ measure.name }}
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro channel_contacts(relation) -%}
    {#-
        `<channel>_sent`, `_opened` and `_clicked` for each of `contact_channels`, from
        rows with a touchpoint.
    -#}
    {%- for channel, touchpoints in feature_settings().journeys.contact_channels.items() -%}
    {%- set outer = loop -%}
    {%- for kind, column in {
        "sent": "touch_count", "opened": "opened_count", "clicked": "clicked_count",
    }.items() -%}
    sum(
        case
            when {{ relation }}.touchpoint in ('{{ touchpoints | join("', '") }}')
                then {{ relation }}.{{ column }}
        end
    ) as {{ channel }}_{{ kind }}
    {{- ",\n        " if not (loop.last and outer.last) }}
    {%- endfor -%}
    {%- endfor -%}
{%- endmacro %}

{% macro withheld(count) -%}
    {#- A count of users that is shown: null where it is above 0 and a small cell. -#}
    case
        when {{ is_shown(count) }} then {{ count }}
    end
{%- endmacro %}

{% macro is_shown(count) -%}
    {#- Whether figures that rest on so many users may be shown; nobody is no cell. -#}
    ({{ count }} = 0 or {{ count }} >= {{ feature_settings().journeys.smallest_cell }})
{%- endmacro %}

{% macro week_start(expr) -%}
    {#- The Monday of a date's week. 1970-01-05 was a Monday. -#}
    {{ date_add_days(expr, "-(" ~ date_diff_days("date '1970-01-05'", expr) ~ " % 7)") }}
{%- endmacro %}

{% macro month_start(expr) -%}
    {#- The first day of a date's month. -#}
    cast({{ dbt.date_trunc("month", expr) }} as date)
{%- endmacro %}

{% macro months_between(start, end) -%}
    {#- Months from the month of one date to that of another. -#}
    (
        (extract(year from {{ end }}) - extract(year from {{ start }})) * 12
        + extract(month from {{ end }}) - extract(month from {{ start }})
    )
{%- endmacro %}

{% macro summed_steps() -%}
    {#- Of a group of days that `reached_steps` looked at: how many got to each step, and
        the median seconds from the step before. -#}
    {%- for step in feature_settings().journeys.funnel_steps -%}
    sum(reached_{{ step }}) as reached_{{ step }}
    {%- if not loop.first %},
    count(seconds_to_{{ step }}) as timed_{{ step }},
    {{ median("seconds_to_" ~ step) }} as seconds_to_{{ step }}
    {%- endif -%}
    {{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro deepest_step_no(condition) -%}
    {#- The number of the deepest step that a day of the group with `condition` got to. -#}
    {%- set steps = feature_settings().journeys.funnel_steps -%}
    max(
        case
            {%- for number in range(steps | length, 0, -1) %}
            when reached_{{ steps[number - 1] }} = 1 and {{ condition }} then {{ number }}
            {%- endfor %}
        end
    )
{%- endmacro %}

{% macro step_name(number) -%}
    {#- The name of the step of that number (SQL). -#}
    case {{ number }}
        {%- for step in feature_settings().journeys.funnel_steps %}
        when {{ loop.index }} then '{{ step }}'
        {%- endfor %}
    end
{%- endmacro %}

{% macro step_rates(relation) -%}
    {#-
        Features of each pair of steps, `<step>_to_<next>_rate_90d` and `_seconds_90d`,
        from a relation that `summed_steps` made.
    -#}
    {%- set steps = feature_settings().journeys.funnel_steps -%}
    {%- for step in steps[1:] -%}
    {%- set before = steps[loop.index0] -%}
    cast({{ relation }}.reached_{{ step }} as double)
    / nullif({{ relation }}.reached_{{ before }}, 0) as {{ before }}_to_{{ step }}_rate_90d,
    round({{ relation }}.seconds_to_{{ step }}, 3) as {{ before }}_to_{{ step }}_seconds_90d
    {{- ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro steps_as_rows(relation, keys) -%}
    {#-
        A relation that `summed_steps` made, one row a step: `keys`, step_no, step,
        user_count, conversion_count (who went on), timed_count and seconds_to_next.
    -#}
    {%- set steps = feature_settings().journeys.funnel_steps -%}
    {%- for step in steps -%}
    {%- set onward = steps[loop.index] if not loop.last -%}
    select
        {{ keys | join(", ") }},
        {{ loop.index }} as step_no,
        '{{ step }}' as step,
        reached_{{ step }} as user_count,
        {{ "reached_" ~ onward if onward else "cast(null as bigint)" }} as conversion_count,
        {{ "timed_" ~ onward if onward else "cast(null as bigint)" }} as timed_count,
        {{ "seconds_to_" ~ onward if onward else "cast(null as double)" }} as seconds_to_next
    from {{ relation }}
    {{ "union all\n    " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro summed_contacts(relation, days) -%}
    {#- `<channel>_sent`, `_opened`, `_clicked` of the last `days`, of a group of days. -#}
    {%- for channel in feature_settings().journeys.contact_channels -%}
    {%- set outer = loop -%}
    {%- for kind in ("sent", "opened", "clicked") -%}
    sum(case when {{ relation }}.days_ago < {{ days }}
        {#- #} then {{ relation }}.{{ channel }}_{{ kind }} end)
    {#- #} as {{ channel }}_{{ kind }}{{ ",\n        " if not (loop.last and outer.last) }}
    {%- endfor -%}
    {%- endfor -%}
{%- endmacro %}

{% macro messages_sent(relation) -%}
    {#- Messages of all channels that the company sends by itself: all but `ad`. -#}
    {%- for channel in feature_settings().journeys.contact_channels if channel != "ad" -%}
    coalesce({{ relation }}.{{ channel }}_sent, 0){{ " + " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro response_rate(relation, channel, kind) -%}
    {#- Answers of a kind as a share of what was sent, at most 1; null for nothing. -#}
    case
        when {{ relation }}.{{ channel }}_sent > 0
            then least(
                cast(coalesce({{ relation }}.{{ channel }}_{{ kind }}, 0) as double)
                / {{ relation }}.{{ channel }}_sent,
                1
            )
    end
{%- endmacro %}

{% macro ancestor_columns(relation=none) -%}
    {#- `ancestor_2` and up, the inviter's inviter and so on, as columns. -#}
    {%- for level in range(2, feature_settings().journeys.referral_levels + 1) -%}
    {%- if relation -%}
    above_{{ level }}.inviter_user_id as ancestor_{{ level }}
    {%- else -%}
    ancestor_{{ level }}
    {%- endif -%}
    {{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro joined_ancestors(edges) -%}
    {#- Joins that find them: an edge of `edges` leads up to one of an earlier turn. -#}
    {%- for level in range(2, feature_settings().journeys.referral_levels + 1) -%}
    {%- set below = edges if level == 2 else "above_" ~ (level - 1) -%}
    left join {{ edges }} as above_{{ level }}
        on
            {{ below }}.ds = above_{{ level }}.ds
            and {{ below }}.inviter_user_id = above_{{ level }}.invitee_user_id
            and {{ below }}.turn > above_{{ level }}.turn
    {{ "\n    " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro is_no_ancestor(user) -%}
    {#- Whether a user is none of the ancestors of the row. -#}
    {%- for level in range(2, feature_settings().journeys.referral_levels + 1) -%}
    coalesce(ancestor_{{ level }} <> {{ user }}, true){{ "\n        and " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro ancestor_count() -%}
    {#- Levels above the invitee, the inviter among them. -#}
    1
    {%- for level in range(2, feature_settings().journeys.referral_levels + 1) %}
    + case when ancestor_{{ level }} is not null then 1 else 0 end
    {%- endfor -%}
{%- endmacro %}

{% macro descents(edges) -%}
    {#- Each ancestor of each invitee, and how many levels lie between. -#}
    select
        ds,
        inviter_user_id as ancestor_user_id,
        1 as levels_down
    from {{ edges }}
    {%- for level in range(2, feature_settings().journeys.referral_levels + 1) %}
    union all
    select
        ds,
        ancestor_{{ level }} as ancestor_user_id,
        {{ level }} as levels_down
    from {{ edges }}
    where ancestor_{{ level }} is not null
    {%- endfor -%}
{%- endmacro %}

{% macro running_sums(columns, partition_by, order_by) -%}
    {#- `<column>_so_far`: the sum of a column up to the row, in an order. -#}
    {%- for column in columns -%}
    sum({{ column }}) over (
        partition by {{ partition_by | join(", ") }}
        order by {{ order_by }}
        rows between unbounded preceding and current row
    ) as {{ column }}_so_far{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro shown_if(condition, expr, data_type="bigint") -%}
    {#- A figure of a mart, or null where it is withheld. -#}
    cast(case when {{ condition }} then {{ expr }} end as {{ data_type }})
{%- endmacro %}

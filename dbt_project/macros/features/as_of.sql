{#
    What a day may know. A run for the newest days builds each of them as of its own
    morning after (`ops.run_dates.known_until`, `recorded_until`), so that days built
    together are the days built one by one; a past day that is built anew takes all
    that is known by now.
#}

{% macro is_effective_on(id_map, run_dates) -%}
    {#-
        Whether a row of `identity.id_map` tells whose the record was on the day of a
        row of `ops.run_dates`, by what was recorded until then. The map alone decides:
        it has redirects in it already.
    -#}
    {{ id_map }}.recorded_from <= {{ run_dates }}.recorded_until
    and (
        {{ id_map }}.recorded_to is null
        or {{ run_dates }}.recorded_until < {{ id_map }}.recorded_to
    )
    and {{ id_map }}.effective_from <= {{ run_dates }}.ds
    and (
        {{ id_map }}.effective_to is null
        or {{ run_dates }}.ds < {{ id_map }}.effective_to
    )
{%- endmacro %}

{% macro is_known(fact, day, known_at="known_at") -%}
    {#-
        Whether a fact was known to a day; `day` is a relation with `known_until`.
    -#}
    {{ fact }}.{{ known_at }} <= {{ day }}.known_until
{%- endmacro %}

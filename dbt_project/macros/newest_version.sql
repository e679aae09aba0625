{% macro newest_version(
    relation, key, version=none, first_seen=[], earliest={}
) -%}
    {#-
        A select that keeps one row of each key: the newest by `version` (a column;
        null comes last), then by the time it was known, then by its place in the load,
        which makes the order total: the outcome does not depend on how rows lie.

        Nothing is lost unseen: `_versions` counts the rows that the kept one stands
        for, so that count(raw) = sum(_versions). `_first_known_at` is when the key
        was first known; `_known_at` when the kept row was.

        `relation`: a CTE with the operational columns of raw. `key`: its columns.
        `first_seen`: columns that change between versions; `<column>_first_seen_at`
        is the earliest `version`, a timestamp, that shows the value of the kept row.
        `earliest`: name to expression; the least that it is in any version of the key.
    -#}
    select {{ all_columns_but("numbered", ["_place"]) }}
    from (
        select
            *,
            row_number() over (
                partition by {{ key | join(", ") }}
                order by
                    {%- if version is not none %}
                    {{ version }} desc nulls last,
                    {%- endif %}
                    _known_at desc nulls last,
                    _load_id desc nulls last,
                    _file desc nulls last,
                    _row desc nulls last
            ) as _place,
            count(*) over (partition by {{ key | join(", ") }}) as _versions,
            min(_known_at) over (
                partition by {{ key | join(", ") }}
            ) as _first_known_at
            {%- for column in first_seen %},
            min({{ version }}) over (
                partition by {{ (key + [column]) | join(", ") }}
            ) as {{ column }}_first_seen_at
            {%- endfor %}
            {%- for name, expression in earliest.items() %},
            min({{ expression }}) over (
                partition by {{ key | join(", ") }}
            ) as {{ name }}
            {%- endfor %}
        from {{ relation }}
    ) as numbered
    where numbered._place = 1
{%- endmacro %}

{% macro load_columns() -%}
    {#- The operational columns of raw that staging carries on, as a select list. -#}
    _known_at,
    _load_id,
    _file,
    _row
{%- endmacro %}

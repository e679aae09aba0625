{% macro newest_version(
    relation, key, version=none, earliest={}
) -%}
    {#-
        CTEs, the last of which, `newest`, keeps one row of each key: the newest by
        `version` (a column; null comes last), then by the time it was known, then by
        its place in the load, which makes the order total: the outcome does not depend
        on how rows lie.

        Nothing is lost unseen: `_versions` counts the rows that the kept one stands
        for, so that count(raw) = sum(_versions). `_first_known_at` is when the key
        was first known; `_known_at` when the kept row was.

        `relation`: a CTE with the operational columns of raw. `key`: its columns.
        `earliest`: name to expression; the least that it is in any version of the key.

        Only keys that occur more than once are ranked, with those that are null, which
        no join finds: sorting all rows of a wide table costs more than the rest. The
        linter cannot count the columns of a union, so models that end in it say noqa.
    -#}
    {%- set keys = key | join(", ") -%}
    repeated_keys as (

        select
            {{ keys }},
            count(*) as _copies
        from {{ relation }}
        group by {{ keys }}
        having count(*) > 1

    ),

    marked as (

        select
            {{ relation }}.*,
            repeated_keys._copies is not null
            {%- for column in key %}
            or {{ relation }}.{{ column }} is null
            {%- endfor %} as _is_ranked
        from {{ relation }}
        left join repeated_keys
            on
                {%- for column in key %}
                {{ "and " if not loop.first -}}
                {{ relation }}.{{ column }} = repeated_keys.{{ column }}
                {%- endfor %}

    ),

    numbered as (

        select
            *,
            row_number() over (
                partition by {{ keys }}
                order by
                    {%- if version is not none %}
                    {{ version }} desc nulls last,
                    {%- endif %}
                    _known_at desc nulls last,
                    _load_id desc nulls last,
                    _file desc nulls last,
                    _row desc nulls last
            ) as _place,
            count(*) over (partition by {{ keys }}) as _versions,
            min(_known_at) over (partition by {{ keys }}) as _first_known_at
            {%- for name, expression in earliest.items() %},
            min({{ expression }}) over (partition by {{ keys }}) as {{ name }}
            {%- endfor %}
        from marked
        where _is_ranked

    ),

    newest as (

        select {{ all_columns_but("numbered", ["_place", "_is_ranked"]) }}
        from numbered
        where _place = 1
        union all
        select
            {{ all_columns_but("marked", ["_is_ranked"]) }},
            cast(1 as bigint) as _versions,
            _known_at as _first_known_at
            {%- for name, expression in earliest.items() %},
            {{ expression }} as {{ name }}
            {%- endfor %}
        from marked
        where not _is_ranked

    )
{%- endmacro %}

{% macro load_columns() -%}
    {#- The operational columns of raw that staging carries on, as a select list. -#}
    _known_at,
    _load_id,
    _file,
    _row
{%- endmacro %}

{% macro identifiers_of(
    relation,
    entity,
    record_key,
    first_seen_at,
    last_seen_at,
    own={},
    shown={},
    shown_since=none,
    known_at="_first_known_at"
) -%}
    {#-
        The identifiers that rows of person records show, one row a row of `relation`
        and identifier type, as `<system>__identifiers` gives them. `own` maps the
        record's own identifier type to its column, `shown` the types that the record
        also carries; these were first seen at `shown_since`, where that differs from
        `first_seen_at`. `known_at` is when the row was known.

        Give it every version of a record and not the newest alone: a phone that a
        person gave up still tells whose the receipts of that time are. Values are
        plain here: they are hashed once, for all systems, in `sightings`.
    -#}
    {%- set columns = [] -%}
    {%- for identifier_type, column in own.items() -%}
        {%- do columns.append((identifier_type, column, true)) -%}
    {%- endfor -%}
    {%- for identifier_type, column in shown.items() -%}
        {%- do columns.append((identifier_type, column, false)) -%}
    {%- endfor -%}
    {%- for identifier_type, column, is_own in columns %}
    select
        '{{ entity }}' as entity,
        {{ record_key }} as record_key,
        '{{ identifier_type }}' as identifier_type,
        {{ column }} as identifier_value,
        {{ "true" if is_own else "false" }} as is_own,
        {{ first_seen_at if is_own or shown_since is none else shown_since }}
            as first_seen_at,
        {{ last_seen_at }} as last_seen_at,
        {{ known_at }} as known_at
    from {{ relation }}
    where {{ column }} is not null
    {% if not loop.last %}union all{% endif %}
    {%- endfor -%}
{%- endmacro %}

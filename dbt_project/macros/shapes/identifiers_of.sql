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
    {%- set rows = [] -%}
    {%- for identifier_type, column in (own.items() | list) + (shown.items() | list) -%}
        {%- set is_own = loop.index0 < own | length -%}
        {%- do rows.append({
            "entity": "'" ~ entity ~ "'",
            "record_key": record_key,
            "identifier_type": "'" ~ identifier_type ~ "'",
            "identifier_value": column,
            "is_own": "true" if is_own else "false",
            "first_seen_at": (
                first_seen_at if is_own or shown_since is none else shown_since
            ),
            "last_seen_at": last_seen_at,
            "known_at": known_at,
        }) -%}
    {%- endfor -%}
    {{ several_rows(relation, rows, known="identifier_value") }}
{%- endmacro %}

{#
    Families whose facts are few are made of entries: a moment, when it was known, and
    the columns that it adds to. Each fact gives one entry for each thing that happened
    to it, so that a ticket is resolved on the day it is, and not when it came.
#}

{% macro entries_of(relation, happened_at, known_at, columns, all_columns) -%}
    {#-
        The entries of a CTE with system, person_entity and person_key: `columns` is
        name to expression of what they add; the others of `all_columns` (name to type)
        are null in them.
    -#}
    select
        system,
        person_entity as entity,
        person_key as record_key,
        {{ happened_at }} as happened_at,
        {{ known_at }} as known_at
        {%- for name, data_type in all_columns.items() %},
        cast({{ columns.get(name, "null") }} as {{ data_type }}) as {{ name }}
        {%- endfor %}
    from {{ relation }}
    where person_key is not null and {{ happened_at }} is not null
{%- endmacro %}

{% macro placed_entries(entries, all_columns) -%}
    {#-
        CTEs for the entries of the CTE `entries`, the last of which, `days`, has those
        that each ds knew, with the user of ds, `happened_on` and `days_ago`.
    -#}
    tenant as (

        select max(timezone) as timezone
        from {{ source("ops", "run_dates") }}

    ),

    records as (

        select
            ds,
            ends_at,
            known_until,
            system,
            entity,
            record_key,
            unified_user_id
        from {{ ref("int_records_resolved") }}
        where unified_user_id is not null

    ),

    localised as (

        select
            {{ entries }}.*,
            {{ local_date(entries ~ ".happened_at", "tenant.timezone") }}
                as happened_on
        from {{ entries }}
        cross join tenant

    ),

    days as (

        select
            records.ds,
            records.unified_user_id,
            localised.happened_at,
            localised.happened_on,
            {{ date_diff_days("localised.happened_on", "records.ds") }} as days_ago
            {%- for name in all_columns %},
            localised.{{ name }}
            {%- endfor %}
        from records
        inner join localised
            on
                records.system = localised.system
                and records.entity = localised.entity
                and records.record_key = localised.record_key
                and records.ds >= localised.happened_on
                and {{ is_known("localised", "records") }}

    )
{%- endmacro %}

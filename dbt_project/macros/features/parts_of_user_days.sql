{% macro parts_of_user_days() -%}
    {#-
        What records add to the days of their users, a union over the models that count
        days by record. Reads the CTEs `owners` (whose a record is, from first_ds to
        last_ds) and `arrivals` (the first ds that knew a moment of knowing).
    -#}
    {%- for part in days_by_record() -%}
    select
        owners.unified_user_id,
        greatest(
            owners.first_ds, arrivals.first_ds, days.{{ part.day }}
        ) as first_ds,
        owners.last_ds,
        days.{{ part.day }} as activity_on,
        days.system as channel_group,
        cast(null as {{ dbt.type_string() }}) as currency,
        {{ columns_of_a_part(part.columns) }}
    from {{ ref(part.model) }} as days
    inner join arrivals on days.known_at = arrivals.known_at
    inner join owners
        on
            days.system = owners.system
            and days.entity = owners.entity
            and days.record_key = owners.record_key
    {{- "\n    union all\n    " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro moments_of_knowing() -%}
    {#- When any of them came to be known, each moment once. -#}
    {%- for part in days_by_record() -%}
    select known_at from {{ ref(part.model) }}
    {{- "\n    union distinct\n    " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

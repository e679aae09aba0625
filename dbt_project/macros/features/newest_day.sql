{% macro newest_day() -%}
    {#- The newest day that this process builds, as a scalar: the day of every table
        that tells how things are, and not how they were. -#}
    (select max(run_dates.ds) from {{ source("ops", "run_dates") }} as run_dates)
{%- endmacro %}

{% macro newest_day_ctes() -%}
    {#-
        CTEs for a table that tells how things are: `newest`, the newest day, and
        `records`, whose each record was on it.
    -#}
    newest as (

        select
            ds,
            ends_at,
            timezone
        from {{ source("ops", "run_dates") }}
        where ds = {{ newest_day() }}

    ),

    records as (

        select
            system,
            entity,
            record_key,
            unified_user_id
        from {{ ref("int_records_resolved") }}
        where ds = {{ newest_day() }} and unified_user_id is not null

    )
{%- endmacro %}

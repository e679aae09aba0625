{% macro local_quarters(events) -%}
    {#-
        The quarter hours of the CTE `events`, whose rows have a `quarter_no`, by the
        tenant's clock: a CTE `quarters` with quarter_no, event_on and local_hour. Put
        before it a comma, after it what follows.
    -#}
    tenant as (

        select max(timezone) as timezone
        from {{ source("ops", "run_dates") }}

    ),

    quarter_nos as (

        select distinct quarter_no
        from {{ events }}

    ),

    local_quarters as (

        select
            quarter_nos.quarter_no,
            {{ local_timestamp(
                quarter_hour_at("quarter_nos.quarter_no"), "tenant.timezone"
            ) }} as local_at
        from quarter_nos
        cross join tenant

    ),

    quarters as (

        select
            quarter_no,
            cast(local_at as date) as event_on,
            extract(hour from local_at) as local_hour,
            {{ is_night("local_at") }} as is_night
        from local_quarters

    )
{%- endmacro %}

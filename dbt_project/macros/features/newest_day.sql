{% macro newest_day() -%}
    {#- The newest day that this process builds, as a scalar: the day of every table
        that tells how things are, and not how they were. -#}
    (select max(run_dates.ds) from {{ source("ops", "run_dates") }} as run_dates)
{%- endmacro %}

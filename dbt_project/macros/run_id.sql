{% macro run_id() -%}
    {#-
        The id of the run that builds, for the column `_run_id`: a scalar from
        `ops.run_dates`, never a var (a changed var makes dbt parse all again).
    -#}
    (select max(run_dates._run_id) from {{ source("ops", "run_dates") }} as run_dates)
{%- endmacro %}

{% macro is_night(local_at) -%}
    {#- Whether a wall-clock time lies in the night of config/features.yml. -#}
    {%- set night = feature_settings().night -%}
    (
        extract(hour from {{ local_at }}) >= {{ night.from_hour }}
        or extract(hour from {{ local_at }}) < {{ night.until_hour }}
    )
{%- endmacro %}

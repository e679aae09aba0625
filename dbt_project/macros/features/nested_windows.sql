{% macro windows_that_do_not_nest() -%}
    {#- Whether a count over a shorter window exceeds that over the next longer one. -#}
    {%- set measures = feature_settings().measures
        | rejectattr("column", "in", ["net_amount", "units"])
        | selectattr("window_days") | list -%}
    false
    {%- for measure in measures[:-1] -%}
    {%- set longer = measures[loop.index] -%}
    {%- if longer.column == measure.column %}
        or {{ measure.name }} > {{ longer.name }}
    {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro windows_that_do_not_nest() -%}
    {#- Whether a count over a shorter window exceeds that over the next longer one. -#}
    {%- set measures = feature_settings().measures
        | rejectattr("column", "in", [
            "net_amount",
            "units",
            "costed_net_amount",
            "margin_amount",
            "refund_amount",
            "gross_amount",
            "discount_amount",
        ])
        | rejectattr("aggregate", "in", ["ratio", "mean"])
        | selectattr("window_days") | rejectattr("channels") | list -%}
    false
    {%- for measure in measures[:-1] -%}
    {%- set longer = measures[loop.index] -%}
    {%- if longer.column == measure.column and longer.aggregate == measure.aggregate %}
        or {{ measure.name }} > {{ longer.name }}
    {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

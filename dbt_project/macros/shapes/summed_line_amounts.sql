{% macro summed_line_amounts() -%}
    {#- What the lines of a group add up to, whatever is known of their cost. -#}
    sum(net_amount + discount_amount + refund_amount) as gross_amount,
        sum(discount_amount) as discount_amount,
        sum(refund_amount) as refund_amount,
        sum(net_amount) as net_amount,
        sum(quantity) as units,
        count(*) as line_count
{%- endmacro %}

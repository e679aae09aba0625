{% macro sale_line_amounts(quantity, unit_price, discount, unit_cost) -%}
    {#-
        The amounts of a line of goods, as a select list: `discount_amount`,
        `refund_amount`, `net_amount`, `margin_amount`, `is_return`.

        A negative quantity is goods that came back: what was paid for them is a
        refund, and their cost is recovered. Sold: net = quantity × price − discount.
        Returned: net = −refund = −(|quantity| × price − discount). Either way
        net = gross − discount − refund, and margin = net − quantity × cost, which is
        null where the cost is unknown.
    -#}
    {%- set gross = "abs(" ~ quantity ~ ") * " ~ unit_price -%}
    {%- set off = "abs(coalesce(" ~ discount ~ ", 0))" -%}
    {%- set returned = "coalesce(" ~ quantity ~ " < 0, false)" -%}
    {%- set net -%}
        case when {{ returned }} then -1 else 1 end * ({{ gross }} - {{ off }})
    {%- endset -%}
    {{ to_decimal("case when " ~ returned ~ " then 0 else " ~ off ~ " end") }}
        as discount_amount,
    {{ to_decimal(
        "case when " ~ returned ~ " then " ~ gross ~ " - " ~ off ~ " else 0 end"
    ) }} as refund_amount,
    {{ to_decimal(net) }} as net_amount,
    {{ to_decimal(net ~ " - " ~ quantity ~ " * " ~ unit_cost) }} as margin_amount,
    {{ returned }} as is_return
{%- endmacro %}

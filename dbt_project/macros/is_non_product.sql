{% macro is_non_product(sku) -%}
    {#-
        True for the codes of the flat invoice export that are no goods: postage and
        carriage, manual entries, discounts, samples, fees, corrections, commissions,
        bad debt, gift vouchers and tests. Goods begin with five digits, or are gift
        boxes and pads with codes of their own.
    -#}
    (
        {{ sku }} in (
            'POST', 'DOT', 'C2', 'C3', 'M', 'D', 'S', 'B', 'BANK CHARGES', 'AMAZONFEE',
            'ADJUST', 'ADJUST2', 'CRUK', 'GIFT'
        )
        or {{ sku }} like 'GIFT!_%' escape '!'
        or {{ sku }} like 'TEST%'
    )
{%- endmacro %}

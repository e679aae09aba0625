{% macro share_of(part, whole) -%}
    {#- `part` of `whole` as double, at most 1; null where the whole is nothing. -#}
    {{ ratio_of(part, whole, 1) }}
{%- endmacro %}

{% macro entropy_of(parts, whole) -%}
    {#-
        Shannon entropy in bits of `parts`, columns that add up to `whole`; null where
        that is nothing. Rounded, since the last digit of a logarithm is the engine's.
    -#}
    case
        when {{ whole }} > 0
            then abs(round(
                {%- for part in parts %}
                - coalesce(
                    cast({{ part }} as double) / {{ whole }}
                    * ln(cast(nullif({{ part }}, 0) as double) / {{ whole }}) / ln(2),
                    0
                )
                {%- endfor %},
                9
            ))
    end
{%- endmacro %}

{% macro highest_of(values) -%}
    {#-
        The name in the dict `values` (name to SQL expression) whose expression is the
        highest; the first named of equals, and null where none is above 0.
    -#}
    {%- set best = "greatest(" ~ values.values() | join(", ") ~ ")" -%}
    case
        when coalesce({{ best }}, 0) <= 0 then null
        {%- for name, expr in values.items() %}
        when {{ expr }} = {{ best }} then '{{ name }}'
        {%- endfor %}
    end
{%- endmacro %}

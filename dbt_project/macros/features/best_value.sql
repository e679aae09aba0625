{% macro best_value(column, of=none) -%}
    {#-
        `column` in the best record of a group that has it, or has `of` where that is
        named. `standing` is the place of a record among its user's, 1 the best.
    -#}
    {{ value_at_newest(
        column, "case when " ~ (of or column) ~ " is not null then -standing end"
    ) }}
{%- endmacro %}

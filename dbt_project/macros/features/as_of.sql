{% macro is_effective_on(id_map, day) -%}
    {#-
        Whether a row of `identity.id_map` tells whose the record was on `day` (SQL),
        by what is known now. The map alone decides: it has redirects in it already.
    -#}
    {{ id_map }}.recorded_to is null
    and {{ id_map }}.effective_from <= {{ day }}
    and ({{ id_map }}.effective_to is null or {{ day }} < {{ id_map }}.effective_to)
{%- endmacro %}

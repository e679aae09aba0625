{% macro gender(expr) -%}
    {#- One vocabulary for what sources write: female, male, other; null unknown. -#}
    case
        when lower(trim({{ expr }})) in ('f', 'female', 'woman', '女') then 'female'
        when lower(trim({{ expr }})) in ('m', 'male', 'man', '男') then 'male'
        when lower(trim({{ expr }})) in ('o', 'other', 'x', 'diverse') then 'other'
    end
{%- endmacro %}

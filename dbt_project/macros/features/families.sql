{#
    The families of config/features.yml side by side: each is a model feat_<family>
    with one row a ds and user.
#}

{% macro family_ctes() -%}
    {#- One CTE a family, named as it. -#}
    {%- for family in feature_settings().families -%}
    {{ family }} as (

        select * from {{ ref("feat_" ~ family) }}

    ){{ ",\n\n    " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro joined_families(spine) -%}
    {#- Each of them joined to `spine`, which has ds and unified_user_id. -#}
    {%- for family in feature_settings().families -%}
    inner join {{ family }}
        on
            {{ spine }}.ds = {{ family }}.ds
            and {{ spine }}.unified_user_id = {{ family }}.unified_user_id
    {{- "\n    " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro user_attributes(relation) -%}
    {#-
        The user and what a version of dim_users tells of them, from `relation`: rows
        that agree in all of it are of one version.
    -#}
    {%- for column in [
        "unified_user_id",
        "first_seen_on",
        "registered_on",
        "gender",
        "age_band",
        "region",
        "city",
        "device_band",
        "record_count",
        "system_count",
        "has_crm_record",
        "consent_profiling",
        "consent_marketing",
    ] -%}
    {{ relation }}.{{ column }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

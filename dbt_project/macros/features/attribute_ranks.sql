{% macro attribute_rank(attribute) -%}
    {#-
        The place of a record among a user's, when it is asked for `attribute`: those
        that have it, the CRM's first, then the newest registration.
    -#}
    row_number() over (
            partition by ds, unified_user_id
            order by
                case when {{ attribute }} is null then 1 else 0 end asc,
                case when is_crm_record then 0 else 1 end asc,
                case when registered_at is null then 1 else 0 end asc,
                registered_at desc,
                system asc,
                entity asc,
                record_key asc
        )
{%- endmacro %}

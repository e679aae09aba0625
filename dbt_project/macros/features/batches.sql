{#
    Facts come in batches: all that came to be known at one moment. What a record did on
    a day is counted once for each batch and kept; a later run counts only the batches
    whose rows are not what they were.
#}

{% macro counted_batches(relation, columns) -%}
    {#- The batches of a table of staging, with a hash of `columns`. -#}
    select
        '{{ relation }}' as relation_name,
        known_at,
        count(*) as row_count,
        {{ rows_hash(columns) }} as _content
    from {{ source("staging", relation) }}
    group by known_at
{%- endmacro %}

{% macro in_changed_batches(relation) -%}
    {#- Whether a row of staging is of a batch that has to be counted. -#}
    known_at in (
        select batches.known_at
        from {{ ref("int_batches_counted") }} as batches
        left join {{ ref("int_batches_kept") }} as kept
            on
                batches.relation_name = kept.relation_name
                and batches.known_at = kept.known_at
        where
            batches.relation_name = '{{ relation }}'
            and kept.known_at is null
    )
{%- endmacro %}

{% macro gathered_batches(model, standing, relation, columns) -%}
    {#-
        The rows of a model that counts batches: those that this run counted, and those
        kept from earlier runs, of the source `standing`.
    -#}
    select
        {{ columns | join(",\n        ") }}
    from {{ ref(model) }}
    union all
    select
        standing.{{ columns | join(",\n        standing.") }}
    from {{ source("standing", standing) }} as standing
    inner join {{ ref("int_batches_kept") }} as kept
        on
            kept.relation_name = '{{ relation }}'
            and standing.known_at = kept.known_at
{%- endmacro %}

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

{% macro changed_batches(relation) -%}
    {#-
        The batches that have to be counted, in slices of so many rows at a time: memory
        does not grow with history.
    -#}
    select
        batches.known_at,
        cast(floor(
            (
                sum(batches.row_count) over (order by batches.known_at)
                - batches.row_count
            ) / {{ env_var("STRATA_SLICE_ROWS", "4000000") }}.0
        ) as integer) as slice_no
    from {{ ref("int_batches_counted") }} as batches
    left join {{ ref("int_batches_kept") }} as kept
        on
            batches.relation_name = kept.relation_name
            and batches.known_at = kept.known_at
    where
        batches.relation_name = '{{ relation }}'
        and kept.known_at is null
{%- endmacro %}

{% macro in_changed_batches(relation, sliced=false) -%}
    {#- Whether a row of staging is of a batch that has to be counted, in this slice. -#}
    known_at in (
        select changed.known_at
        from ({{ changed_batches(relation) }}) as changed
        {%- if sliced %}
        where {{ is_this_slice("changed.slice_no") }}
        {%- endif %}
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

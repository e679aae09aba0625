{#
    A table of a build schema. What will replace a published table is written beside
    that one, under the suffix `__build`, and shown in the build schema by a view:
    `strata.warehouse` then publishes it by its name alone, since DuckDB can rename
    a table but not move it to another schema. A build schema is empty when a run
    begins, so that nothing has to be swapped.

    What is published by batch is written slice by slice (`changed_batches`).
#}

{% materialization table, adapter="duckdb" %}
    {%- set published = config.get("meta", {}).get("publish") -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if published in ("replace", "by_batch") -%}
        {%- set shown = this.incorporate(type="view") -%}
        {%- set written = api.Relation.create(
            database=this.database,
            schema=this.schema | replace("build_", "", 1),
            identifier=this.identifier ~ "__build",
            type="table"
        ) -%}
    {%- else -%}
        {%- set shown = this.incorporate(type="table") -%}
        {%- set written = shown -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% do drop_relation_if_exists(existing) %}
    {% if written is not sameas shown %}
        {% call statement("drop") -%}
            drop table if exists {{ written }}
        {%- endcall %}
    {% endif %}
    {% call statement("main") -%}
        {{ create_table_as(False, written, compiled_code) }}
    {%- endcall %}
    {% if published == "by_batch" %}
        {% do insert_other_slices(written, compiled_code) %}
    {% endif %}
    {% if written is not sameas shown %}
        {% call statement("show") -%}
            create view {{ shown }} as select * from {{ written }}
        {%- endcall %}
    {% endif %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [shown]}) }}
{% endmaterialization %}

{% macro insert_other_slices(written, compiled_code) -%}
    {#- The slices after the first of a model that is published by batch. -#}
    {%- set relation = config.get("meta")["publish_kept"].values() | first -%}
    {%- set changed = changed_batches(relation) -%}
    {%- set last = run_query(
        "select coalesce(max(slice_no), 0) from (" ~ changed ~ ") as changed"
    ).columns[0].values()[0] -%}
    {% for slice_no in range(1, last + 1) %}
        {% call statement("slice") -%}
            set variable slice_no = {{ slice_no }};
            insert into {{ written }} by name {{ compiled_code }}
        {%- endcall %}
    {% endfor %}
    {% call statement("all_slices") -%}
        reset variable slice_no
    {%- endcall %}
{%- endmacro %}

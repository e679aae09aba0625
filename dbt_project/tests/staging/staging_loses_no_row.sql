-- Invariant: every raw row is one row of its staging model or counted in its `_versions`,
-- for every entity of every system: count(raw) = sum(_versions).
-- depends_on: {{ ref("identifiers") }}
-- depends_on: {{ ref("events") }}
-- depends_on: {{ ref("orders") }}
-- depends_on: {{ ref("consents") }}
-- depends_on: {{ ref("touches") }}
-- depends_on: {{ ref("tickets") }}
-- depends_on: {{ ref("feedback") }}
-- depends_on: {{ ref("loyalty") }}
-- depends_on: {{ ref("ad_costs") }}
-- depends_on: {{ ref("devices") }}
-- depends_on: {{ ref("stg_app__pushes") }}
-- depends_on: {{ ref("stg_crm__merges") }}
{%- set pairs = [] %}
{%- if execute %}
    {%- for node in graph.nodes.values()
        if node.resource_type == "model" and node.name.startswith("stg_") %}
        {%- set raw = graph.sources.get("source.strata.raw." ~ node.name[4:]) %}
        {%- if raw %}{% do pairs.append((node, raw)) %}{% endif %}
    {%- endfor %}
{%- endif %}

with

counted as (

    {% for node, source in pairs %}
    select
        '{{ node.name }}' as model,
        (select count(*) from {{ source.relation_name }}) as raw_rows,
        (
            select coalesce(sum(_versions), 0) from {{ node.relation_name }}
        ) as accounted_rows
    {% if not loop.last %}union all{% endif %}
    {% else %}
    select
        'none' as model,
        1 as raw_rows,
        0 as accounted_rows
    {% endfor %}

),

final as (

    select * from counted
    where raw_rows != accounted_rows

)

select * from final

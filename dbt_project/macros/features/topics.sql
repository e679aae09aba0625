{#
    The topics of config/features.yml as columns of texts: `topic_<topic>`, and
    `negative_<topic>` for the texts of blame among them.
#}

{% macro topic_types() -%}
    {#- Name to type of these columns. -#}
    {%- set types = {} -%}
    {%- for topic in feature_settings().topics -%}
    {%- do types.update({"topic_" ~ topic: "bigint"}) -%}
    {%- do types.update({"negative_" ~ topic: "bigint"}) -%}
    {%- endfor -%}
    {{ return(types) }}
{%- endmacro %}

{% macro topic_counts() -%}
    {#- Name to expression of these columns, from rows with `topics` and `label`. -#}
    {%- set counts = {} -%}
    {%- for topic in feature_settings().topics -%}
    {%- set has = "topics like '%," ~ topic ~ ",%'" -%}
    {%- do counts.update({"topic_" ~ topic: "case when " ~ has ~ " then 1 end"}) -%}
    {%- set blames = "label = 'negative' and " ~ has -%}
    {%- do counts.update({"negative_" ~ topic: "case when " ~ blames ~ " then 1 end"}) -%}
    {%- endfor -%}
    {{ return(counts) }}
{%- endmacro %}

{% macro topic_sums(relation) -%}
    {#- Topic to its texts of 365 days, from `relation`. -#}
    {%- set sums = {} -%}
    {%- for topic in feature_settings().topics -%}
    {%- set column = relation ~ ".topic_" ~ topic ~ "_365d" -%}
    {%- do sums.update({topic: "coalesce(" ~ column ~ ", 0)"}) -%}
    {%- endfor -%}
    {{ return(sums) }}
{%- endmacro %}

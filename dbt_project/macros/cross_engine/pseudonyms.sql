{#
    Keyed hashes of identifiers. The functions behind them are Python and are
    registered on the connection (`strata.warehouse.functions` on duckdb), under the
    same names on every engine. Apply them to distinct values, then join.
#}

{% macro pseudonym(identifier_type, value) -%}
    {#-
        The keyed hash of `value` (SQL) as an identifier of the type named by the
        string `identifier_type`; null for null, invalid and denylisted values.
        Confirmed on duckdb, spark.
    -#}
    {{ strata_by_type("pseudonym", "'" ~ identifier_type ~ "'", value) }}
{%- endmacro %}

{% macro pseudonym_by(identifier_type, value) -%}
    {#- As `pseudonym`, where the type is SQL too. Confirmed on duckdb, spark. -#}
    {{ strata_by_type("pseudonym", identifier_type, value) }}
{%- endmacro %}

{% macro normalised(identifier_type, value) -%}
    {#-
        The plain normalised value (a phone in E.164, an e-mail in lower case): for
        the PII zone only. Null where `pseudonym` is null. Confirmed on duckdb, spark.
    -#}
    {{ strata_by_type("normalise", "'" ~ identifier_type ~ "'", value) }}
{%- endmacro %}

{% macro pseudonym_key_version() -%}
    {#-
        The version of the key that `pseudonym` hashes with. Confirmed on duckdb, spark.
    -#}
    strata_key_version()
{%- endmacro %}

{% macro strata_by_type(verb, identifier_type, value) -%}
    {#- The call behind the three above. -#}
    {%- set text = "cast(" ~ value ~ " as " ~ dbt.type_string() ~ ")" -%}
    strata_{{ verb }}({{ identifier_type }}, {{ text }})
{%- endmacro %}

{% macro json_object_of(fields) -%}
    {#-
        A JSON text from a dict of name to SQL expression, keys in the order given.
        Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("json_object_of", "strata")(fields)) }}
{%- endmacro %}

{% macro default__json_object_of(fields) -%}
    cast(json_object(
        {%- for name, expr in fields.items() %}
        '{{ name }}', {{ expr }}{{ "," if not loop.last }}
        {%- endfor %}
    ) as varchar)
{%- endmacro %}

{% macro spark__json_object_of(fields) -%}
    to_json(named_struct(
        {%- for name, expr in fields.items() %}
        '{{ name }}', {{ expr }}{{ "," if not loop.last }}
        {%- endfor %}
    ), map('ignoreNullFields', 'false'))
{%- endmacro %}

{% macro content_hash(expr) -%}
    {#-
        SHA-256 of a text, in hex: the same on every engine. Confirmed on duckdb,
        spark.
    -#}
    {{ return(adapter.dispatch("content_hash", "strata")(expr)) }}
{%- endmacro %}

{% macro default__content_hash(expr) -%}
    sha256({{ expr }})
{%- endmacro %}

{% macro spark__content_hash(expr) -%}
    sha2({{ expr }}, 256)
{%- endmacro %}

{% macro sorted_texts(expr) -%}
    {#-
        The non-null texts of a group, each as often as it is there, as a JSON array in
        their order; null of none. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("sorted_texts", "strata")(expr)) }}
{%- endmacro %}

{% macro default__sorted_texts(expr) -%}
    cast(to_json(list_sort(list({{ expr }}) filter ({{ expr }} is not null))) as varchar)
{%- endmacro %}

{% macro spark__sorted_texts(expr) -%}
    nullif(to_json(sort_array(collect_list({{ expr }}))), '[]')
{%- endmacro %}

{% macro each_text(texts) -%}
    {#-
        One row for each text of an array of `sorted_texts`, in the list of a select; no
        row for null. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("each_text", "strata")(texts)) }}
{%- endmacro %}

{% macro default__each_text(texts) -%}
    unnest(from_json({{ texts }}, '["varchar"]'))
{%- endmacro %}

{% macro spark__each_text(texts) -%}
    explode(from_json({{ texts }}, 'array<string>'))
{%- endmacro %}

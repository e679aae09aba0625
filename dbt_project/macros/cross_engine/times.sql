{#
    Times in tables are naive UTC timestamps; on spark, whose timestamps are instants,
    the session's zone is UTC (profiles.yml), which reads the same. Where an argument
    `zone` is said to be SQL, it may be a column (`run_dates.timezone`) or a literal
    (`"'Asia/Shanghai'"`).
#}

{% macro try_to_timestamp(expr, zone) -%}
    {#-
        A text in ISO form as a naive UTC timestamp; null where it is no time. A text
        that ends in Z or an offset is absolute; any other is local time in `zone`, a
        plain IANA name. Of an hour that daylight saving repeats, duckdb takes the
        second and spark the first. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("try_to_timestamp", "strata")(expr, zone)) }}
{%- endmacro %}

{% macro default__try_to_timestamp(expr, zone) -%}
    case
        when regexp_matches({{ expr }}, '(Z|[+-][0-9]{2}:?([0-9]{2})?)\s*$')
            and {{ expr }} like '%:%'
            then timezone('UTC', try_cast({{ expr }} as timestamptz))
        else
            {%- if zone == "UTC" %}
            try_cast({{ expr }} as timestamp)
            {%- else %}
            timezone('UTC', timezone('{{ zone }}', try_cast({{ expr }} as timestamp)))
            {%- endif %}
    end
{%- endmacro %}

{% macro spark__try_to_timestamp(expr, zone) -%}
    case
        when {{ expr }} rlike '(Z|[+-][0-9]{2}:?([0-9]{2})?)\\s*$'
            and {{ expr }} like '%:%'
            then try_cast({{ expr }} as timestamp)
        else to_utc_timestamp(try_cast({{ expr }} as timestamp), '{{ zone }}')
    end
{%- endmacro %}

{% macro local_timestamp(expr, zone) -%}
    {#-
        The wall-clock time in `zone` (SQL) of a naive UTC timestamp: for hours of the
        day and weekdays. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("local_timestamp", "strata")(expr, zone)) }}
{%- endmacro %}

{% macro default__local_timestamp(expr, zone) -%}
    timezone({{ zone }}, timezone('UTC', {{ expr }}))
{%- endmacro %}

{% macro spark__local_timestamp(expr, zone) -%}
    from_utc_timestamp({{ expr }}, {{ zone }})
{%- endmacro %}

{% macro local_date(expr, zone) -%}
    {#-
        The date in `zone` (SQL) of a naive UTC timestamp. Confirmed on duckdb, spark.
    -#}
    cast({{ local_timestamp(expr, zone) }} as date)
{%- endmacro %}

{% macro to_date(expr) -%}
    {#-
        A text `YYYY-MM-DD…` as a date; null where it is none. Confirmed on duckdb,
        spark.
    -#}
    try_cast({{ expr }} as date)
{%- endmacro %}

{% macro date_diff_days(start, end) -%}
    {#-
        Whole days from one date to another, `end - start`. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("date_diff_days", "strata")(start, end)) }}
{%- endmacro %}

{% macro default__date_diff_days(start, end) -%}
    date_diff('day', cast({{ start }} as date), cast({{ end }} as date))
{%- endmacro %}

{% macro spark__date_diff_days(start, end) -%}
    cast(datediff(cast({{ end }} as date), cast({{ start }} as date)) as bigint)
{%- endmacro %}

{% macro date_add_days(expr, days) -%}
    {#- A date moved by `days` (SQL, may be negative). Confirmed on duckdb, spark. -#}
    {{ return(adapter.dispatch("date_add_days", "strata")(expr, days)) }}
{%- endmacro %}

{% macro default__date_add_days(expr, days) -%}
    (cast({{ expr }} as date) + cast({{ days }} as integer))
{%- endmacro %}

{% macro spark__date_add_days(expr, days) -%}
    date_add(cast({{ expr }} as date), cast({{ days }} as int))
{%- endmacro %}

{% macro seconds_between(start, end) -%}
    {#-
        Seconds from one timestamp to another, as double. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("seconds_between", "strata")(start, end)) }}
{%- endmacro %}

{% macro default__seconds_between(start, end) -%}
    (epoch({{ end }}) - epoch({{ start }}))
{%- endmacro %}

{% macro spark__seconds_between(start, end) -%}
    ((unix_micros({{ end }}) - unix_micros({{ start }})) / 1000000.0D)
{%- endmacro %}

{% macro quarter_hour_no(expr) -%}
    {#-
        The whole quarter hours from 1970 to a naive UTC timestamp, bigint: local time
        can be looked up by it, once for the many rows of a quarter hour. By the IANA
        database no inhabited zone has changed its clocks within one since 2012; before,
        some did at one minute past midnight (Newfoundland, Gaza), and the rest of that
        quarter hour then goes by the clock before. Confirmed on duckdb, spark.
    -#}
    {{ return(adapter.dispatch("quarter_hour_no", "strata")(expr)) }}
{%- endmacro %}

{% macro default__quarter_hour_no(expr) -%}
    cast(floor(epoch({{ expr }}) / 900) as bigint)
{%- endmacro %}

{% macro spark__quarter_hour_no(expr) -%}
    cast(floor(unix_micros({{ expr }}) / 900000000) as bigint)
{%- endmacro %}

{% macro quarter_hour_at(quarter_no) -%}
    {#- When a quarter hour of `quarter_hour_no` begins. Confirmed on duckdb, spark. -#}
    {{ return(adapter.dispatch("quarter_hour_at", "strata")(quarter_no)) }}
{%- endmacro %}

{% macro default__quarter_hour_at(quarter_no) -%}
    make_timestamp(({{ quarter_no }}) * 900000000)
{%- endmacro %}

{% macro spark__quarter_hour_at(quarter_no) -%}
    timestamp_micros(({{ quarter_no }}) * 900000000)
{%- endmacro %}

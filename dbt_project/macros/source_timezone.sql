{% macro source_timezone(system, entity=none) -%}
    {#-
        The IANA zone in which `system` writes local times, from the var
        `source_timezones`; an entry `<system>__<entity>` wins over `<system>`.
    -#}
    {%- set zones = var("source_timezones") -%}
    {%- set own = system ~ "__" ~ entity -%}
    {%- if own in zones -%}
        {{ return(zones[own]) }}
    {%- elif system in zones -%}
        {{ return(zones[system]) }}
    {%- endif -%}
    {{ exceptions.raise_compiler_error(
        "no time zone is declared for " ~ own ~ " in the var source_timezones"
    ) }}
{%- endmacro %}

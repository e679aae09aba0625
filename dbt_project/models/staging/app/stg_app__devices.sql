-- Grain: one row a version of a device in the app's register.
{{ config(meta={"publish": "replace"}) }}

with

raw_devices as (

    select * from {{ source("raw", "app__devices") }}

),

typed as (

    select
        {{ to_text("device_id") }} as device_id,
        {{ to_text("app_user_id") }} as app_user_id,
        {{ to_text("device_model") }} as device_model,
        lower({{ to_text("os") }}) as os,
        {{ try_to_timestamp("updated_at", source_timezone("app")) }} as updated_at,
        {{ load_columns() }}
    from raw_devices

),

{{ newest_version("typed", key=["device_id", "updated_at"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

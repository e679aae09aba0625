-- Grain: one row a push message of the app, the newest state of each.
{{ config(meta={"publish": "replace"}) }}

with

raw_pushes as (

    select * from {{ source("raw", "app__pushes") }}

),

typed as (

    select
        {{ to_text("push_id") }} as push_id,
        {{ to_text("app_user_id") }} as app_user_id,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("campaign") }} as campaign,
        {{ try_to_timestamp("sent_at", source_timezone("app")) }} as sent_at,
        {{ try_to_timestamp("opened_at", source_timezone("app")) }} as opened_at,
        {{ try_to_timestamp("updated_at", source_timezone("app")) }} as updated_at,
        {{ load_columns() }}
    from raw_pushes

),

{{ newest_version(
    "typed",
    key=["push_id"],
    version="updated_at",
    earliest={
        "opened_known_at": "case when opened_at is not null then _known_at end",
    },
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

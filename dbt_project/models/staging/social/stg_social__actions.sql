-- Grain: one row an action of a follower: a like, a comment, a share, a post.
{{ config(meta={"publish": "replace"}) }}

with

raw_actions as (

    select * from {{ source("raw", "social__actions") }}

),

typed as (

    select
        {{ to_text("action_id") }} as action_id,
        {{ to_text("social_id") }} as social_id,
        {{ to_text("touchpoint") }} as touchpoint,
        lower({{ to_text("action_type") }}) as action_type,
        {{ try_to_timestamp("acted_at", source_timezone("social")) }} as acted_at,
        lower({{ to_text("category") }}) as category,
        {{ to_text("campaign") }} as campaign,
        {{ load_columns() }}
    from raw_actions

),

{{ newest_version("typed", key=["action_id"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

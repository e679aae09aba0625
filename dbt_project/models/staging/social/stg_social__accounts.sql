-- Grain: one row a follower's account on a platform, the newest version of each. Holds
-- nicknames and phones, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_accounts as (

    select * from {{ source("raw", "social__accounts") }}

),

typed as (

    select
        {{ to_text("social_id") }} as social_id,
        lower({{ to_text("platform") }}) as platform,
        {{ to_text("nickname") }} as nickname,
        {{ to_text("member_no") }} as member_no,
        {{ to_text("phone") }} as phone,
        {{ try_to_timestamp("followed_at", source_timezone("social")) }} as followed_at,
        {{ try_to_timestamp("updated_at", source_timezone("social")) }} as updated_at,
        {{ load_columns() }}
    from raw_accounts

),

{{ newest_version(
    "typed",
    key=["social_id"],
    version="updated_at",
    first_seen=["member_no", "phone"],
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

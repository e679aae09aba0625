-- Grain: one row an invitation that a member sent, the newest state of each. Holds
-- phones of people who are no members yet, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_referrals as (

    select * from {{ source("raw", "loyalty__referrals") }}

),

typed as (

    select
        {{ to_text("referral_id") }} as referral_id,
        {{ to_text("member_no") }} as member_no,
        {{ to_text("invitee_phone") }} as invitee_phone,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ try_to_timestamp("invited_at", source_timezone("loyalty")) }} as invited_at,
        {{ try_to_timestamp("joined_at", source_timezone("loyalty")) }} as joined_at,
        {{ try_to_timestamp("updated_at", source_timezone("loyalty")) }} as updated_at,
        {{ load_columns() }}
    from raw_referrals

),

{{ newest_version(
    "typed",
    key=["referral_id"],
    version="updated_at",
    earliest={
        "joined_known_at": "case when joined_at is not null then _known_at end",
    },
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

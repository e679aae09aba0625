-- Grain: one row a mail or text message of marketing, the newest state of each. Holds
-- contact values, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_messages as (

    select * from {{ source("raw", "loyalty__messages") }}

),

typed as (

    select
        {{ to_text("message_id") }} as message_id,
        {{ to_text("member_no") }} as member_no,
        {{ to_text("phone") }} as phone,
        {{ to_text("email") }} as email,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("campaign") }} as campaign,
        {{ try_to_timestamp("sent_at", source_timezone("loyalty")) }} as sent_at,
        {{ try_to_timestamp("opened_at", source_timezone("loyalty")) }} as opened_at,
        {{ try_to_timestamp("clicked_at", source_timezone("loyalty")) }} as clicked_at,
        {{ try_to_timestamp("updated_at", source_timezone("loyalty")) }} as updated_at,
        {{ load_columns() }}
    from raw_messages

),

{{ newest_version(
    "typed",
    key=["message_id"],
    version="updated_at",
    earliest={
        "opened_known_at":
            "case when coalesce(opened_at, clicked_at) is not null then _known_at end",
        "clicked_known_at": "case when clicked_at is not null then _known_at end",
    },
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

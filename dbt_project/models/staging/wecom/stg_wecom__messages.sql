-- Grain: one row a contact, channel and day: how many messages went to and fro.
{{ config(meta={"publish": "replace"}) }}

with

raw_messages as (

    select * from {{ source("raw", "wecom__messages") }}

),

typed as (

    select
        {{ to_text("message_day_id") }} as message_day_id,
        {{ to_text("external_userid") }} as external_userid,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_date("counted_on") }} as counted_on,
        {{ to_bigint("sent") }} as sent,
        {{ to_bigint("received") }} as received,
        {{ load_columns() }}
    from raw_messages

),

{{ newest_version("typed", key=["message_day_id"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

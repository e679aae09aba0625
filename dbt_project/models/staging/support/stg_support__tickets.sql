-- Grain: one row a request to customer service, the newest state of each. Holds phones
-- and the customers' own words, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_tickets as (

    select * from {{ source("raw", "support__tickets") }}

),

typed as (

    select
        {{ to_text("ticket_id") }} as ticket_id,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("phone") }} as phone,
        {{ to_text("member_no") }} as member_no,
        {{ to_text("order_id") }} as order_id,
        lower({{ to_text("category") }}) as category,
        {{ to_text("subject_text") }} as subject_text,
        lower({{ to_text("status") }}) as status,
        {{ try_to_timestamp("opened_at", source_timezone("support")) }} as opened_at,
        {{ try_to_timestamp("first_response_at", source_timezone("support")) }}
            as first_response_at,
        {{ try_to_timestamp("resolved_at", source_timezone("support")) }}
            as resolved_at,
        {{ to_bigint("satisfaction") }} as satisfaction,
        {{ try_to_timestamp("updated_at", source_timezone("support")) }} as updated_at,
        {{ load_columns() }}
    from raw_tickets

),

{{ newest_version(
    "typed",
    key=["ticket_id"],
    version="updated_at",
    first_seen=["phone", "member_no"],
    earliest={
        "satisfaction_at": "case when satisfaction is not null then updated_at end",
        "closed_at": "case when status = 'closed' then updated_at end",
    },
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

-- Grain: one row a row of raw, typed: every version of a ticket that came.
{{ config(schema="pii", materialized="view") }}

with

raw_tickets as (

    select * from {{ source("raw", "support__tickets") }}

),

final as (

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

)

select * from final

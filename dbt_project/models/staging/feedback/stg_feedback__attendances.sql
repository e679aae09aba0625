-- Grain: one row a person at an event of the company. Holds phones, hence in the PII
-- zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_attendances as (

    select * from {{ source("raw", "feedback__attendances") }}

),

typed as (

    select
        {{ to_text("attendance_id") }} as attendance_id,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("event_name") }} as event_name,
        {{ to_text("phone") }} as phone,
        {{ to_text("member_no") }} as member_no,
        {{ to_bigint("rating") }} as rating,
        {{ try_to_timestamp("attended_at", source_timezone("feedback")) }}
            as attended_at,
        {{ load_columns() }}
    from raw_attendances

),

{{ newest_version("typed", key=["attendance_id"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

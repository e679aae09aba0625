-- Grain: one row an answer to the survey. Holds phones, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

raw_surveys as (

    select * from {{ source("raw", "feedback__surveys") }}

),

typed as (

    select
        {{ to_text("response_id") }} as response_id,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ to_text("member_no") }} as member_no,
        {{ to_text("phone") }} as phone,
        {{ to_bigint("nps") }} as nps,
        {{ try_to_timestamp("answered_at", source_timezone("feedback")) }}
            as answered_at,
        {{ load_columns() }}
    from raw_surveys

),

{{ newest_version("typed", key=["response_id"]) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

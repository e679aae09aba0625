-- Grain: one row a follower's account on a platform, the newest version of each. Holds
-- nicknames and phones, hence in the PII zone.
{{ config(schema="pii", meta={"publish": "replace"}) }}

with

versions as (

    select * from {{ ref("int_social__account_versions") }}

),

{{ newest_version(
    "versions",
    key=["social_id"],
    version="updated_at",
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

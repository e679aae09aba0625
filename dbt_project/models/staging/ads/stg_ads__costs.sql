-- Grain: one row a touchpoint, campaign and day: what advertising cost, by the newest
-- bill.
{{ config(meta={"publish": "replace"}) }}

with

versions as (

    select * from {{ ref("int_ads__cost_versions") }}

),

{{ newest_version("versions", key=["cost_day_id"], version="updated_at") }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

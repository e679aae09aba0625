-- Grain: one row a stay of a contact in a group, the newest state of each.
{{ config(meta={"publish": "replace"}) }}

with

raw_memberships as (

    select * from {{ source("raw", "wecom__memberships") }}

),

typed as (

    select
        {{ to_text("membership_id") }} as membership_id,
        {{ to_text("external_userid") }} as external_userid,
        {{ to_text("group_id") }} as group_id,
        {{ to_text("touchpoint") }} as touchpoint,
        {{ try_to_timestamp("joined_at", source_timezone("wecom")) }} as joined_at,
        {{ try_to_timestamp("left_at", source_timezone("wecom")) }} as left_at,
        {{ try_to_timestamp("updated_at", source_timezone("wecom")) }} as updated_at,
        {{ load_columns() }}
    from raw_memberships

),

{{ newest_version(
    "typed",
    key=["membership_id"],
    version="updated_at",
    earliest={
        "left_known_at": "case when left_at is not null then _known_at end",
    },
) }},

final as (

    select
        *,
        {{ run_id() }} as _run_id
    from newest

)

select * from final  -- noqa: AM04

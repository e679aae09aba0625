-- Invariant: every user that the id map knows on a day has one row in feat_users for
-- it, active or not, and nobody else has.
with

mapped as (

    select distinct
        ds,
        unified_user_id
    from {{ ref("int_records_resolved") }}
    where unified_user_id is not null

),

snapshots as (

    select
        ds,
        unified_user_id,
        count(*) as snapshot_count
    from {{ ref("feat_users") }}
    group by ds, unified_user_id

),

final as (

    select
        coalesce(mapped.ds, snapshots.ds) as ds,
        coalesce(mapped.unified_user_id, snapshots.unified_user_id) as unified_user_id,
        snapshots.snapshot_count
    from mapped
    full outer join snapshots
        on
            mapped.ds = snapshots.ds
            and mapped.unified_user_id = snapshots.unified_user_id
    where
        mapped.unified_user_id is null
        or snapshots.snapshot_count is null
        or snapshots.snapshot_count <> 1

)

select * from final

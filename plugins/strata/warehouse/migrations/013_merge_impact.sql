-- The same columns as before, for any number of users.
create or replace view identity.merge_impact as
with

moves as (
    select
        after.recorded_from as ds,
        before.unified_user_id as old_id,
        after.unified_user_id as new_id,
        after.cause,
        count(*) as records
    from identity.id_map as after
    inner join identity.id_map as before
        on
            after.system = before.system
            and after.entity = before.entity
            and after.record_key = before.record_key
            and after.recorded_from = before.recorded_from
            and after.effective_from = before.effective_to
    where
        after.effective_from = after.recorded_from
        and after.unified_user_id is not null
    group by all
),

tier_days as (
    select
        ds,
        lag(ds) over (order by ds) as ds_before
    from (select distinct ds from segments.user_tiers)
),

tiers as (
    select
        moves.*,
        old_before.tier as old_tier_before,
        old_after.tier as old_tier_after,
        new_before.tier as new_tier_before,
        new_after.tier as new_tier_after
    from moves
    left join tier_days on moves.ds = tier_days.ds
    left join segments.user_tiers as old_before
        on moves.old_id = old_before.unified_user_id
        and tier_days.ds_before = old_before.ds
    left join segments.user_tiers as old_after
        on moves.old_id = old_after.unified_user_id and moves.ds = old_after.ds
    left join segments.user_tiers as new_before
        on moves.new_id = new_before.unified_user_id
        and tier_days.ds_before = new_before.ds
    left join segments.user_tiers as new_after
        on moves.new_id = new_after.unified_user_id and moves.ds = new_after.ds
),

sent as (
    select distinct
        runs.ds,
        log.record_key
    from activation.sync_log as log
    inner join audit.runs as runs on log.run_id = runs.run_id
    where
        log.outcome = 'acked'
        and log.operation in ('create', 'update', 'clear')
),

crm as (
    select distinct
        crm_system,
        crm_entity
    from ops.run_dates
),

-- One row an id, since a join on either of two columns would try every pair.
involved as (
    select ds, old_id, new_id, cause, old_id as unified_user_id
    from moves
    where old_id is not null
    union all
    select ds, old_id, new_id, cause, new_id as unified_user_id
    from moves
),

crm_map as (
    select id_map.*
    from identity.id_map as id_map
    inner join crm on crm.crm_system = id_map.system and crm.crm_entity = id_map.entity
    where id_map.unified_user_id is not null
),

crm_records as (
    select
        involved.ds,
        involved.old_id,
        involved.new_id,
        involved.cause,
        count(distinct records.record_key) as crm_records,
        count(distinct sent.record_key) as crm_records_changed
    from involved
    inner join crm_map as records
        on
            involved.unified_user_id = records.unified_user_id
            and records.recorded_from <= involved.ds
            and (records.recorded_to is null or records.recorded_to > involved.ds)
            and records.effective_from <= involved.ds
            and (records.effective_to is null or records.effective_to > involved.ds)
    left join sent on involved.ds = sent.ds and records.record_key = sent.record_key
    group by all
)

select
    tiers.ds,
    tiers.old_id,
    tiers.new_id,
    tiers.cause,
    tiers.records,
    tiers.old_tier_before,
    tiers.old_tier_after,
    tiers.new_tier_before,
    tiers.new_tier_after,
    case
        when tiers.cause = 'split'
            then
                tiers.new_tier_after is distinct from tiers.old_tier_before
                or tiers.old_tier_after is distinct from tiers.old_tier_before
        when tiers.cause = 'merged'
            then
                tiers.new_tier_after is distinct from tiers.old_tier_before
                or tiers.new_tier_after is distinct from tiers.new_tier_before
        else tiers.new_tier_after is distinct from tiers.new_tier_before
    end as is_tier_changed,
    coalesce(crm_records.crm_records, 0) as crm_records,
    coalesce(crm_records.crm_records_changed, 0) as crm_records_changed
from tiers
left join crm_records
    on
        tiers.ds = crm_records.ds
        and tiers.old_id is not distinct from crm_records.old_id
        and tiers.new_id = crm_records.new_id
        and tiers.cause = crm_records.cause;

comment on view identity.merge_impact is
    'What a change of identity did to tiers and to the CRM; grain ds, old id, new id, cause. A tier of these users may differ for other reasons of the same day, too.';
comment on column identity.merge_impact.ds is
    'Day of the change.';
comment on column identity.merge_impact.old_id is
    'Whose the records were; null for nobody.';
comment on column identity.merge_impact.new_id is
    'Whose they are since.';
comment on column identity.merge_impact.cause is
    'merged, split, or late_anchor (records of nobody known went to a user).';
comment on column identity.merge_impact.records is
    'How many records went over.';
comment on column identity.merge_impact.old_tier_before is
    'Tier of the old id on the day before; null without one.';
comment on column identity.merge_impact.old_tier_after is
    'Tier of the old id on the day; null after a merge.';
comment on column identity.merge_impact.new_tier_before is
    'Tier of the new id on the day before; null where it was not in force.';
comment on column identity.merge_impact.new_tier_after is
    'Tier of the new id on the day.';
comment on column identity.merge_impact.is_tier_changed is
    'Whether somebody among them has another tier than the day before.';
comment on column identity.merge_impact.crm_records is
    'CRM records of the two users on the day.';
comment on column identity.merge_impact.crm_records_changed is
    'How many of these the CRM was sent that day.';

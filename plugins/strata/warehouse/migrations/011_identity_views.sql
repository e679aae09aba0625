-- What is published of identities: views over state, without any key of a source record.

-- ds, guard.
create table if not exists identity.guards (
    ds date not null,
    guard varchar not null,
    observed double not null,
    allowed double not null,
    told varchar not null,
    _run_id varchar not null
);

comment on table identity.guards is
    'What a day''s resolution came to against the limits that stop a run; grain ds, guard.';
comment on column identity.guards.ds is
    'The day that was resolved.';
comment on column identity.guards.guard is
    'merged_users (users of the day before that the day merged), accounts_a_user and ids_a_user (of the largest user).';
comment on column identity.guards.observed is
    'What was found.';
comment on column identity.guards.allowed is
    'The most that config/identity.yml allows.';
comment on column identity.guards.told is
    'The same in words; where merged_users was broken, with the values to blame, masked.';
comment on column identity.guards._run_id is
    'The attempt that wrote the row.';

create or replace view identity.current_ids as
with recursive

ends as (
    select
        unified_user_id,
        unified_user_id as current_id
    from identity.id_ledger
    where status = 'active'
    union all
    select
        ledger.unified_user_id,
        ends.current_id
    from identity.id_ledger as ledger
    inner join ends on ledger.redirects_to = ends.unified_user_id
    where ledger.status = 'redirected'
)

select
    ends.unified_user_id,
    ends.current_id,
    ledger.status,
    ledger.minted_on,
    ledger.redirected_on
from ends
inner join identity.id_ledger as ledger using (unified_user_id);

comment on view identity.current_ids is
    'Every id that was ever given to a user, and the id that stands for it today; grain unified_user_id. Join snapshots of earlier days to it to see them by today''s users.';
comment on column identity.current_ids.unified_user_id is
    'The id, as snapshots have it.';
comment on column identity.current_ids.current_id is
    'Today''s id of the same person; itself where it is in force.';
comment on column identity.current_ids.status is
    'active, or redirected to another id since a merge.';
comment on column identity.current_ids.minted_on is
    'Day on which it was given.';
comment on column identity.current_ids.redirected_on is
    'Day since which it redirects; null where it is in force.';

create or replace view identity.user_history as
with

spells as (
    select
        system,
        entity,
        unified_user_id,
        effective_from,
        effective_to,
        cause,
        lag(unified_user_id) over spell as id_before,
        lead(unified_user_id) over spell as id_after,
        lead(cause) over spell as cause_after
    from identity.id_map
    where recorded_to is null
    window spell as (
        partition by system, entity, record_key order by effective_from, effective_to
    )
),

events as (
    select
        unified_user_id,
        effective_from as ds,
        'gained' as event,
        cause,
        id_before as other_user_id,
        system,
        entity
    from spells
    union all
    select
        unified_user_id,
        effective_to as ds,
        'lost' as event,
        coalesce(cause_after, 'gone') as cause,
        id_after as other_user_id,
        system,
        entity
    from spells
    where effective_to is not null
)

select
    unified_user_id,
    ds,
    event,
    cause,
    other_user_id,
    system,
    entity,
    count(*) as records
from events
where unified_user_id is not null
group by all;

comment on view identity.user_history is
    'When a user gained or lost source records, and why; grain user, ds, event, cause, other user, system, entity.';
comment on column identity.user_history.unified_user_id is
    'The user.';
comment on column identity.user_history.ds is
    'Day from which it holds.';
comment on column identity.user_history.event is
    'gained or lost.';
comment on column identity.user_history.cause is
    'first_seen, merged, split, late_anchor (a record of nobody known turned out to be the user''s), or gone (no source shows the record any more).';
comment on column identity.user_history.other_user_id is
    'Whose the records were before, or are since; null for nobody.';
comment on column identity.user_history.system is
    'System of the records.';
comment on column identity.user_history.entity is
    'Entity of the records.';
comment on column identity.user_history.records is
    'How many records.';

create or replace view identity.rejections as
select
    edges.edge_id,
    current_map.unified_user_id,
    edges.system,
    edges.entity,
    edges.left_type,
    edges.right_type,
    substr(edges.right_hash, 1, 8) as value_key,
    edges.rule,
    edges.strength,
    edges.rejected_by,
    edges.effective_from as first_seen_on
from identity.edges as edges
left join identity.id_map_current as current_map using (system, entity, record_key)
where edges.status = 'rejected';

comment on view identity.rejections is
    'Links between identifiers that join nobody, and the rule that rejected them; grain edge.';
comment on column identity.rejections.edge_id is
    'The link, as explanations name it.';
comment on column identity.rejections.unified_user_id is
    'Today''s user of the record that showed it; null for nobody.';
comment on column identity.rejections.system is
    'System of that record.';
comment on column identity.rejections.entity is
    'Entity of that record.';
comment on column identity.rejections.left_type is
    'Type of the identifier that stands for the record.';
comment on column identity.rejections.right_type is
    'Type of the other identifier.';
comment on column identity.rejections.value_key is
    'First characters of the keyed hash of the other identifier.';
comment on column identity.rejections.rule is
    'What suggested the link: same_record, same_value_later, or the rule that matched.';
comment on column identity.rejections.strength is
    'Strength of the link, 0 to 100.';
comment on column identity.rejections.rejected_by is
    'The rule that rejected it, with the identifier type; apart:d1 is decision d1.';
comment on column identity.rejections.first_seen_on is
    'Day on which it was first seen.';

create or replace view segments.tier_history as
select
    coalesce(current_ids.current_id, tiers.unified_user_id) as unified_user_id,
    tiers.ds,
    tiers.unified_user_id as id_of_day,
    tiers.tier,
    tiers.lifecycle,
    tiers.value_rank,
    count(*) over (
        partition by coalesce(current_ids.current_id, tiers.unified_user_id), tiers.ds
    ) as ids_of_day
from segments.user_tiers as tiers
left join identity.current_ids as current_ids using (unified_user_id)
qualify row_number() over (
    partition by coalesce(current_ids.current_id, tiers.unified_user_id), tiers.ds
    order by
        tiers.unified_user_id = current_ids.current_id desc,
        current_ids.minted_on,
        tiers.unified_user_id
) = 1;

comment on view segments.tier_history is
    'The tier of every day by today''s users; grain user, ds. Of people who were two on the day and are one today the row is that of today''s id, else of the elder.';
comment on column segments.tier_history.unified_user_id is
    'Today''s id of the person.';
comment on column segments.tier_history.ds is
    'The tenant''s local day that the tier is for.';
comment on column segments.tier_history.id_of_day is
    'The id under which the row was published.';
comment on column segments.tier_history.tier is
    'Tier on the day.';
comment on column segments.tier_history.lifecycle is
    'Lifecycle on the day.';
comment on column segments.tier_history.value_rank is
    'Value rank on the day, 0 to 1.';
comment on column segments.tier_history.ids_of_day is
    'How many users of the day are this user today; they add up to the rows of segments.user_tiers.';

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

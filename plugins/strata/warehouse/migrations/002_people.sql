-- State of identity, segments, models and activation. Grain first, then columns.

-- edge: two identifier values that one source record shows together.
create table identity.edges (
    edge_id varchar not null,
    system varchar not null,
    entity varchar not null,
    record_key varchar not null,
    left_type varchar not null,
    left_hash varchar not null,
    left_period integer not null,
    right_type varchar not null,
    right_hash varchar not null,
    right_period integer not null,
    key_version varchar not null,
    rule varchar not null,
    strength integer not null,
    first_seen_at timestamp not null,
    last_seen_at timestamp not null,
    status varchar not null,
    rejected_by varchar,
    effective_from date not null,
    _run_id varchar not null
);

-- unified_user_id: minted once, kept for ever.
create table identity.id_ledger (
    unified_user_id varchar not null,
    anchor_system varchar not null,
    anchor_entity varchar not null,
    anchor_record_key varchar not null,
    anchor_type varchar not null,
    anchor_hash varchar not null,
    anchor_first_seen_at timestamp not null,
    minted_on date not null,
    status varchar not null,
    redirects_to varchar,
    redirected_on date,
    _run_id varchar not null
);

-- source record, effective_from, recorded_from. Both intervals are half open.
create table identity.id_map (
    system varchar not null,
    entity varchar not null,
    record_key varchar not null,
    unified_user_id varchar,
    effective_from date not null,
    effective_to date,
    recorded_from date not null,
    recorded_to date,
    cause varchar not null,
    edge_id varchar,
    _run_id varchar not null
);

-- candidate pair of source records, waiting for or holding a person's decision.
create table identity.match_review (
    left_system varchar not null,
    left_entity varchar not null,
    left_record_key varchar not null,
    right_system varchar not null,
    right_entity varchar not null,
    right_record_key varchar not null,
    weight double not null,
    decision varchar,
    decided_by varchar,
    decided_on date,
    _run_id varchar not null
);

create or replace view identity.id_map_current as
select
    system,
    entity,
    record_key,
    unified_user_id,
    effective_from,
    cause,
    edge_id,
from identity.id_map
where recorded_to is null and effective_to is null;

-- user, ds, score name.
create table segments.scores (
    unified_user_id varchar not null,
    ds date not null,
    score_name varchar not null,
    value double,
    percentile double,
    model_version varchar,
    _run_id varchar
);

-- user, ds.
create table segments.user_tiers (
    unified_user_id varchar not null,
    ds date not null,
    tier varchar not null,
    rfm_segment varchar,
    lifecycle varchar,
    is_dormant boolean,
    is_at_risk boolean,
    is_value_alarm boolean,
    value_rank double,
    previous_tier varchar,
    valid_from date,
    next_action varchar,
    next_action_mode varchar,
    rules_version varchar,
    _run_id varchar
);

create or replace view segments.user_tiers_current as
select * from segments.user_tiers
where ds = (select max(ds) from segments.user_tiers);

-- user, ds, rank.
create table segments.reasons (
    unified_user_id varchar not null,
    ds date not null,
    rank integer not null,
    feature varchar not null,
    contribution double,
    text_key varchar,
    text varchar,
    _run_id varchar
);

-- model, version.
create table models.registry (
    model varchar not null,
    version varchar not null,
    trained_through date not null,
    card varchar,
    artefact varchar,
    artefact_hash varchar,
    status varchar,
    _run_id varchar
);


-- What the CRM last acknowledged, or a read-back found. fields: JSON of the values it
-- holds; field_hash: hash of the desired row that led there, null where they differ.
create table activation.sync_ledger (
    target varchar not null,
    record_key varchar not null,
    field_hash varchar,
    fields varchar not null,
    acked_run_id varchar not null,
    _acked_at timestamp not null,
    primary key (target, record_key)
);

-- One row an attempt at a record. operation: create, update, clear, read_back;
-- outcome: intent (open), acked, refused, unknown (settled: it had not arrived),
-- mismatch (read_back only).
create table activation.sync_log (
    target varchar not null,
    run_id varchar not null,
    record_key varchar not null,
    attempt integer not null,
    operation varchar not null,
    field_hash varchar,
    outcome varchar not null,
    reason varchar,
    _logged_at timestamp not null
);

-- Records the CRM refused. status: retry (tried again by the next run), dead (waits
-- for a replay), replay (asked for), resolved.
create table activation.dead_letters (
    target varchar not null,
    record_key varchar not null,
    field_hash varchar,
    fields varchar not null,
    reason varchar not null,
    attempts integer not null,
    status varchar not null,
    _run_id varchar not null,
    primary key (target, record_key)
);

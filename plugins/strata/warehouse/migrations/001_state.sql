-- State and audit: what cannot be rebuilt from raw. Changed only by later migrations.
create schema if not exists ops;
create schema if not exists audit;
create schema if not exists quarantine;
create schema if not exists identity;
create schema if not exists segments;
create schema if not exists models;
create schema if not exists activation;

create table ops.load_manifest (
    load_id varchar not null,
    system varchar not null,
    entity varchar not null,
    files bigint not null,
    rows bigint not null,
    known_at timestamp not null,
    status varchar not null,
    content_hash varchar not null,
    _run_id varchar,
    primary key (load_id, entity)
);

create table audit.runs (
    run_id varchar primary key,
    ds date not null,
    world varchar not null,
    attempt integer not null,
    previous_run_id varchar,
    status varchar not null,
    is_newest boolean not null,
    manifest_hash varchar,
    config_hash varchar,
    code_version varchar,
    failed_stage varchar,
    error varchar,
    sync_summary varchar,
    stage_seconds varchar,
    fixed_seconds double,
    peak_mb double,
    paths varchar,
    external_id varchar,
    _started_at timestamp,
    _ended_at timestamp
);

create table audit.publications (
    stage varchar not null,
    ds date not null,
    run_id varchar not null,
    fingerprint varchar not null,
    rows bigint not null,
    is_newest boolean not null,
    _published_at timestamp
);

create table audit.stage_counts (
    run_id varchar not null,
    ds date not null,
    stage varchar not null,
    table_name varchar not null,
    rows_in bigint not null,
    rows_out bigint not null,
    deduplicated bigint not null,
    quarantined bigint not null
);

create table audit.gate_results (
    run_id varchar,
    ds date,
    stage varchar,
    table_name varchar,
    suite_version varchar,
    expectation varchar,
    kind varchar,
    column_name varchar,
    severity varchar,
    verdict varchar,
    observed varchar,
    threshold varchar,
    unexpected_count bigint,
    checked_rows bigint,
    sample_keys varchar,
    owner varchar,
    why varchar,
    fingerprint varchar,
    _started_at timestamp,
    _ended_at timestamp
);

create table audit.waivers (
    waiver_id varchar primary key,
    table_name varchar,
    expectation varchar,
    reason varchar,
    granted_by varchar,
    valid_until date
);

create table quarantine.rows (
    quarantine_id varchar,
    system varchar,
    entity varchar,
    load_id varchar,
    file varchar,
    row_number bigint,
    run_id varchar,
    ds date,
    expectation varchar,
    source_row varchar,
    status varchar,
    released_by varchar,
    _quarantined_at timestamp
);

-- Days whose snapshots were built before an older day was built again.
create table audit.stale_days (
    ds date primary key,
    because_of_run_id varchar not null,
    _marked_at timestamp
);

create table ops.run_dates (
    ds date,
    starts_at timestamp,
    ends_at timestamp,
    is_newest boolean,
    timezone varchar,
    consent_default boolean,
    crm_system varchar,
    crm_entity varchar,
    _run_id varchar
);

-- A waiver lets a run go on although a rule fails, for a while, by a person's decision.
alter table audit.waivers add column stage varchar;
alter table audit.waivers add column _granted_at timestamp;
alter table audit.gate_results add column waiver_id varchar;

comment on table audit.waivers is
    'Decisions to go on although a rule fails; append-only, the newest of a rule decides.';
comment on column audit.waivers.waiver_id is
    'Number of the waiver, as w1.';
comment on column audit.waivers.stage is
    'Stage whose gate checks the table.';
comment on column audit.waivers.table_name is
    'The table, as schema.table.';
comment on column audit.waivers.expectation is
    'The rule that may fail, as its results name it.';
comment on column audit.waivers.reason is
    'Why it may fail for now.';
comment on column audit.waivers.granted_by is
    'Who decided it.';
comment on column audit.waivers.valid_until is
    'Last day of data (ds) for which it holds.';
comment on column audit.waivers._granted_at is
    'When it was granted (UTC).';
comment on column audit.gate_results.waiver_id is
    'The waiver under which a rule that failed only warned; else null.';

comment on column audit.runs.since is
    'First day of the range that the run built together; null for one day.';

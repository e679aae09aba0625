-- What people decide about identities: read by every later run, never changed by one.

-- decision. kind: split, forget, withdraw, or restore, which ends an earlier one.
create table identity.decisions (
    decision_id varchar primary key,
    kind varchar not null,
    system varchar,
    entity varchar,
    record_key varchar,
    apart_system varchar,
    apart_entity varchar,
    apart_record_key varchar,
    restores varchar,
    applies_from date not null,
    decided_by varchar not null,
    reason varchar not null,
    _decided_at timestamp not null
);

-- decision, identifier value: which values a decision takes off.
create table identity.decision_values (
    decision_id varchar not null,
    identifier_type varchar not null,
    value_hash varchar not null,
    key_version varchar not null,
    primary key (decision_id, identifier_type, value_hash, key_version)
);

comment on table identity.decisions is
    'What people decided about identities; append-only, a restore ends an earlier one.';
comment on column identity.decisions.decision_id is
    'Number of the decision, as d1.';
comment on column identity.decisions.kind is
    'split (two records are two people), forget (a value joins nobody), withdraw (a record is not to be linked), restore (an earlier decision holds no more).';
comment on column identity.decisions.system is
    'System of the record it is about; of a split, of the record that leaves.';
comment on column identity.decisions.entity is
    'Entity of that record.';
comment on column identity.decisions.record_key is
    'Key of that record.';
comment on column identity.decisions.apart_system is
    'Of a split: system of the record that the other is kept apart from.';
comment on column identity.decisions.apart_entity is
    'Entity of that record.';
comment on column identity.decisions.apart_record_key is
    'Key of that record.';
comment on column identity.decisions.restores is
    'Of a restore: the decision that it ends.';
comment on column identity.decisions.applies_from is
    'First day of data (ds) for which it holds.';
comment on column identity.decisions.decided_by is
    'Who decided it.';
comment on column identity.decisions.reason is
    'Why.';
comment on column identity.decisions._decided_at is
    'When it was decided (UTC).';
comment on table identity.decision_values is
    'Identifier values that a decision takes off, as keyed hashes.';
comment on column identity.decision_values.decision_id is
    'The decision.';
comment on column identity.decision_values.identifier_type is
    'Type of the value, as config/identity.yml names it.';
comment on column identity.decision_values.value_hash is
    'Keyed hash of the value.';
comment on column identity.decision_values.key_version is
    'Version of the key it was hashed with.';

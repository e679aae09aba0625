-- What matching keeps between days: which records it has compared, and why a pair is
-- linked, waits, or is kept apart.

alter table identity.match_review add column status varchar;
alter table identity.match_review add column model_version varchar;
alter table identity.match_review add column matched_on date;
alter table identity.match_review add column first_seen_at timestamp;
alter table identity.match_review add column applies_from date;

-- source record: a keyed hash of what was compared, and on which day.
create table identity.match_records (
    system varchar not null,
    entity varchar not null,
    record_key varchar not null,
    content_hash varchar not null,
    compared_on date not null,
    _run_id varchar not null
);

comment on table identity.match_review is
    'Pairs of records that share no identifier and are or may be one person; grain pair.';
comment on column identity.match_review.left_system is
    'System of the first record of the pair.';
comment on column identity.match_review.left_entity is
    'Its entity.';
comment on column identity.match_review.left_record_key is
    'Its key.';
comment on column identity.match_review.right_system is
    'System of the second record.';
comment on column identity.match_review.right_entity is
    'Its entity.';
comment on column identity.match_review.right_record_key is
    'Its key.';
comment on column identity.match_review.weight is
    'Match weight: log2 odds that both are one person, by the model.';
comment on column identity.match_review.decision is
    'What a person decided: same or different; null while nobody has.';
comment on column identity.match_review.decided_by is
    'Who decided.';
comment on column identity.match_review.decided_on is
    'When.';
comment on column identity.match_review._run_id is
    'The attempt that compared the pair.';
comment on column identity.match_review.status is
    'accepted (a link), waiting (for a decision), doubtful (waiting whatever its weight), refused (kept apart).';
comment on column identity.match_review.model_version is
    'The model that gave the weight, in models.registry.';
comment on column identity.match_review.matched_on is
    'The day (ds) on which the pair was last compared.';
comment on column identity.match_review.first_seen_at is
    'When both records had been seen (UTC); the link counts from then.';
comment on column identity.match_review.applies_from is
    'First day (ds) for which the decision holds.';
comment on table identity.match_records is
    'Records that matching has compared; grain record.';
comment on column identity.match_records.system is
    'System of the record.';
comment on column identity.match_records.entity is
    'Its entity.';
comment on column identity.match_records.record_key is
    'Its key.';
comment on column identity.match_records.content_hash is
    'Keyed hash of the fields that are compared.';
comment on column identity.match_records.compared_on is
    'The day (ds) on which it was last compared as new or changed.';
comment on column identity.match_records._run_id is
    'The attempt that compared it.';

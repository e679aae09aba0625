-- The chain of evidence bundles: each names the hash of the one before.
create table audit.evidence (
    sequence integer primary key,
    run_id varchar not null,
    path varchar not null,
    sha256 varchar not null,
    previous_sha256 varchar,
    _sealed_at timestamp not null
);

comment on table audit.evidence is
    'One row an evidence bundle, in the order of the chain; append-only.';
comment on column audit.evidence.sequence is
    'Place in the chain, from 1.';
comment on column audit.evidence.run_id is
    'The attempt that the bundle is of; one that failed and went on has several.';
comment on column audit.evidence.path is
    'Where the bundle lies, below the tenant''s home.';
comment on column audit.evidence.sha256 is
    'SHA-256 of the bundle''s bytes.';
comment on column audit.evidence.previous_sha256 is
    'That of the bundle before, which the bundle itself names too; null for the first.';
comment on column audit.evidence._sealed_at is
    'When it was written (UTC).';

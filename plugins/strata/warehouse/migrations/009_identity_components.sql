-- What lets a day resolve only what is new. Without a row in identity.resolution the
-- next day resolves everything once.

-- source record: its raw component, and a hash of what it showed.
create table identity.components (
    system varchar not null,
    entity varchar not null,
    record_key varchar not null,
    component ubigint not null,
    evidence_hash ubigint not null,
    _run_id varchar not null
);

-- one row: the day and the rules that the tables of identity are of.
create table identity.resolution (
    ds date not null,
    rules_hash varchar not null,
    history_rows bigint not null,
    ids bigint not null,
    edges bigint not null,
    _run_id varchar not null
);

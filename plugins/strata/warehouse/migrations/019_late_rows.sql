-- What came too late for its days, and which days were built again for it.
create table audit.late_rows (
    run_id varchar not null,
    ds date not null,
    relation varchar not null,
    happened_on date not null,
    known_on date not null,
    rows bigint not null
);

comment on table audit.late_rows is
    'Facts that came later than the look-back; grain run, relation, the day they belong to, the first day that knows them.';
comment on column audit.late_rows.run_id is
    'The attempt that took them in.';
comment on column audit.late_rows.ds is
    'The day of that attempt.';
comment on column audit.late_rows.relation is
    'What they are: events, orders, order_lines, touches, tickets, feedback, loyalty.';
comment on column audit.late_rows.happened_on is
    'The tenant''s local day that they belong to.';
comment on column audit.late_rows.known_on is
    'The first day whose snapshot knows them; those published from happened_on up to the day before were made without them.';
comment on column audit.late_rows.rows is
    'How many.';

-- A person asks for an older day to be built again, and says why.
alter table audit.runs add column reason varchar;
alter table audit.runs add column decided_by varchar;

comment on column audit.runs.reason is
    'Why a person had older days restated (strata restate); null for other runs.';
comment on column audit.runs.decided_by is
    'Who had them restated. Not published.';

-- The hash of a publication covers whatever the run published; a run that rebuilds an
-- older day publishes its snapshots alone, and two versions of a day are to compare.
alter table audit.publications add column snapshots varchar;

comment on column audit.publications.snapshots is
    'Hash of the day''s snapshots alone, the same for the same content; null where the stage has none.';

create view audit.day_versions as
select
    publications.stage,
    publications.ds,
    cast(row_number() over versions as integer) as version,
    publications.run_id,
    lag(publications.run_id) over versions as former_run_id,
    publications.snapshots,
    lag(publications.snapshots) over versions as former_snapshots,
    case when row_number() over versions > 1 then coalesce(
        publications.snapshots <> lag(publications.snapshots) over versions, true
    ) end as is_changed,
    not publications.is_newest and row_number() over versions > 1 as is_restated,
    runs.reason,
    publications._published_at
from audit.publications as publications
left join audit.runs as runs on publications.run_id = runs.run_id
where publications.stage in ('features', 'segments')
window
    versions as (
        partition by publications.stage, publications.ds
        order by publications._published_at, publications.run_id
    );

comment on view audit.day_versions is
    'Every version of each day''s snapshots; grain stage, ds, version. The newest stands, of earlier ones the hash is kept.';
comment on column audit.day_versions.stage is
    'features (feat_users) or segments (scores, tiers, reasons).';
comment on column audit.day_versions.ds is
    'The day.';
comment on column audit.day_versions.version is
    'Number of the version, from 1.';
comment on column audit.day_versions.run_id is
    'The attempt that published it; its rows have it as _run_id.';
comment on column audit.day_versions.former_run_id is
    'The attempt whose version it took the place of; null for the first.';
comment on column audit.day_versions.snapshots is
    'Hash of its content.';
comment on column audit.day_versions.former_snapshots is
    'Hash of the content before.';
comment on column audit.day_versions.is_changed is
    'Whether the content is another than before; true where that is not known, null for the first version.';
comment on column audit.day_versions.is_restated is
    'Whether a newer day was published already: it was then built again with all that was known by now.';
comment on column audit.day_versions.reason is
    'Why, where a person had it restated.';
comment on column audit.day_versions._published_at is
    'When it was published (UTC).';

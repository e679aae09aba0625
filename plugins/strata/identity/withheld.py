"""The evidence as decisions and consent leave it.

Taken off are values that were to be forgotten, what a record that was split off shares
with the rest, and all that links a record without consent. A record left with nothing
still counts, for nobody: it stands on a mark of its own, of type ``withheld``.

Two records that are not one person carry a mark each, of a type ``apart:<decision>``
of which a user may have one. So a split is a limit like any other: whatever evidence
comes later, the weaker links give way.
"""

from datetime import date, datetime
from typing import NamedTuple

import duckdb

from strata.config.identity import IdentifierRule, IdentityConfig
from strata.identity.decisions import exists
from strata.identity.tables import JOINING, STATE
from strata.run import Run

PURPOSE = "linking"
"""The consent purpose without which a record is not linked to others."""

WITHHELD = "withheld"
APART = "apart:"

_MARK = IdentifierRule(form="token", anchor=False, strength=100, priority=1)
_BEFORE_ALL = {"priority": 0}
"""Makes a mark what stands for its record, so that no link passes it by."""


class Moment(NamedTuple):
    """A day, its end, and until when what consents say was known to it."""

    ds: date
    until: datetime
    known_until: datetime


class Evidence(NamedTuple):
    """What is to be resolved: a relation of identifiers, and the rules for its types."""

    source: str
    config: IdentityConfig


_IN_FORCE = f"""
    create or replace temp table identity_decided as
    select decisions.*
    from {STATE}.decisions as decisions
    anti join (
        select restores from {STATE}.decisions where applies_from <= $ds
    ) as ended on decisions.decision_id = ended.restores
    where decisions.applies_from <= $ds and decisions.kind <> 'restore'
"""

_UNLINKED = """
    create or replace temp table identity_unlinked as
    select system, entity, record_key from identity_decided where kind = 'withdraw'
"""

# Who is not to be linked by what the sources tell of consent, as it was known.
_WITHDRAWN = """
    insert into identity_unlinked
    select system, person_entity, person_key
    from staging.consents
    where purpose = $purpose and valid_from_at < $until and known_at <= $known_until
    group by system, person_entity, person_key
    having not arg_max(is_granted, (valid_from_at, not is_granted))
"""

# A value is known by its hash: types that lend their values to each other share it.
_HIDDEN = f"""
    create or replace temp table identity_hidden as
    with

    forgotten as (
        select "values".*
        from {STATE}.decision_values as "values"
        semi join (select * from identity_decided where kind = 'forget')
            using (decision_id)
    ),

    unlinked_own as (
        select value_hash, key_version
        from {{source}}
        semi join identity_unlinked using (system, entity, record_key)
        where is_own
    ),

    -- A record that leaves, and what is the same account under another name.
    own as (
        select decided.decision_id, shown.value_hash, shown.key_version
        from identity_decided as decided
        inner join {{source}} as shown using (system, entity, record_key)
        where decided.kind = 'split' and shown.is_own
    ),

    leaving as (
        select decision_id, system, entity, record_key
        from identity_decided
        where kind = 'split'
        union
        select own.decision_id, others.system, others.entity, others.record_key
        from {{source}} as others
        inner join own using (value_hash, key_version)
        where others.is_own
    ),

    hidden as (
        select * from {{source}}
        semi join forgotten using (value_hash, key_version)
        union all by name
        select * from {{source}}
        semi join identity_unlinked using (system, entity, record_key)
        where not is_own
        union all by name
        select * from {{source}}
        semi join unlinked_own using (value_hash, key_version)
        where not is_own
        union all by name
        select shown.*
        from {{source}} as shown
        inner join leaving using (system, entity, record_key)
        inner join {STATE}.decision_values as "values"
            using (decision_id, value_hash, key_version)
        where not shown.is_own
    )

    select distinct
        system, entity, record_key, identifier_type, value_hash, key_version
    from hidden
"""

_MARKS = f"""
    create or replace temp table identity_marks as
    with

    bare as (
        select shown.system, shown.entity, shown.record_key
        from {{source}} as shown
        semi join identity_hidden using (system, entity, record_key)
        left join identity_hidden as hidden
            using (
                system, entity, record_key, identifier_type, value_hash, key_version
            )
        where {JOINING}
        group by shown.system, shown.entity, shown.record_key
        having count(*) = count(hidden.value_hash)
    ),

    marked as (
        select '{WITHHELD}' as identifier_type, system, entity, record_key
        from bare
        union all by name
        select '{APART}' || decision_id as identifier_type, system, entity, record_key
        from identity_decided
        where kind = 'split'
        union all by name
        select
            '{APART}' || decision_id as identifier_type,
            apart_system as system,
            apart_entity as entity,
            apart_record_key as record_key,
        from identity_decided
        where kind = 'split'
    ),

    records as (
        select
            system,
            entity,
            record_key,
            min(key_version) as key_version,
            min(first_seen_at) as first_seen_at,
            max(last_seen_at) as last_seen_at,
        from {{source}}
        semi join marked using (system, entity, record_key)
        group by system, entity, record_key
    )

    select
        records.*,
        marked.identifier_type,
        sha256(concat_ws(chr(31), identifier_type, system, entity, record_key))
            as value_hash,
        true as is_own,
    from marked
    inner join records using (system, entity, record_key)
"""

# Nearly every row shows a value that nobody hides: one column tells it.
_EVIDENCE = """
    create or replace temp view identity_evidence as
    select * from {source}
    anti join identity_hidden using (value_hash)
    union all by name
    select shown.*
    from (select * from {source} semi join identity_hidden using (value_hash)) as shown
    anti join identity_hidden
        using (system, entity, record_key, identifier_type, value_hash, key_version)
    union all by name
    select * from identity_marks
"""


def moment_of(con: duckdb.DuckDBPyConnection, run: Run) -> Moment:
    """The moment that the one day of ``run`` stands for (``ops.run_dates``)."""
    row = con.execute(
        "select known_until from ops.run_dates where ds = ?", [run.ds]
    ).fetchone()
    return Moment(run.ds, run.bounds[1], row[0] if row else datetime.max)


def withheld(
    con: duckdb.DuckDBPyConnection,
    config: IdentityConfig,
    source: str,
    moment: Moment,
) -> Evidence:
    """``source`` as decisions and consent of the moment leave it.

    Without any of them this is ``source`` itself, at no cost; else a temporary view
    over it, which the next call replaces.
    """
    if not _take_effect(con, moment):
        return Evidence(source, config)
    for statement in (_HIDDEN, _MARKS, _EVIDENCE):
        con.execute(statement.format(source=source))
    splits = con.execute(
        "select decision_id from identity_decided where kind = 'split' order by all"
    ).fetchall()
    alone = _MARK.model_copy(update=_BEFORE_ALL)
    apart = _MARK.model_copy(update={**_BEFORE_ALL, "max_values": 1})
    marks = {WITHHELD: alone} | {f"{APART}{name}": apart for (name,) in splits}
    return Evidence(
        "temp.identity_evidence",
        config.model_copy(update={"identifiers": {**config.identifiers, **marks}}),
    )


def _take_effect(con: duckdb.DuckDBPyConnection, moment: Moment) -> bool:
    """Whether anything is in force: ``identity_decided`` and ``identity_unlinked``."""
    if not exists(con, STATE, "decisions"):
        return False
    con.execute(_IN_FORCE, {"ds": moment.ds})
    con.execute(_UNLINKED)
    if exists(con, "staging", "consents"):
        con.execute(
            _WITHDRAWN,
            {
                "purpose": PURPOSE,
                "until": moment.until,
                "known_until": moment.known_until,
            },
        )
    row = con.execute(
        "select exists (from identity_decided) or exists (from identity_unlinked)"
    ).fetchone()
    return bool(row and row[0])

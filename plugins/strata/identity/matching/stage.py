"""A day of matching: new and changed records compared, pairs kept, links handed on.

``identity.match_review`` has every pair that is linked, waits or was decided, and
``identity.match_records`` what was compared, so a day compares what is new to it with
all that is known. What an earlier attempt at the same day recorded is taken back first.

Names and contact values are read from ``pii.persons`` into a database in memory, which
Splink works in, and never leave it; the warehouse gets keys and weights.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from strata.config.matching import MatchingConfig
from strata.identity.evidence import NO_MATCHES
from strata.identity.matching.candidates import find_pairs
from strata.identity.matching.comparing import comparisons_for
from strata.identity.matching.grouping import Apart, chain, pairs_of, within
from strata.identity.matching.model import Model
from strata.identity.matching.records import prepare
from strata.identity.matching.registry import active_model, enter_model
from strata.identity.matching.scoring import weights
from strata.identity.matching.training import train
from strata.identity.tables import BUILD, JOINING, STATE
from strata.pseudonyms import PseudonymKey
from strata.run import Run

RULE: Final = "matched"
"""The rule that an edge of a matched pair names."""

_KEYS: Final = (
    "left_system, left_entity, left_record_key,"
    " right_system, right_entity, right_record_key"
)
_DECIDED: Final = 1e6
"""What a person decided weighs more than any comparison."""

_MATCHES: Final = """
    select
        left_system,
        left_entity,
        left_record_key,
        right_system,
        right_entity,
        right_record_key,
        'matched' as rule,
        cast({strength} as integer) as strength,
        first_seen_at,
    from match_pairs
    where status = 'accepted'
"""

# Names alone say nothing across a million people, so a record needs a second clue.
_PERSONS: Final = f"""
    create or replace temp table match_persons as
    with

    seen as (
        select
            system,
            entity,
            record_key,
            min(first_seen_at) as first_seen_at,
        from staging.identifiers
        group by system, entity, record_key
    ),

    persons as (
        select
            concat_ws('/', system, entity, record_key) as record,
            concat_ws('/', system, entity) as source,
            system,
            entity,
            record_key,
            full_name,
            cast(birth_on as varchar) as born_on,
            gender,
            city as place,
            phone_e164 as phone,
            email_normalised as email,
            seen.first_seen_at,
        from pii.persons as persons
        inner join seen using (system, entity, record_key)
        where
            full_name is not null
            and coalesce(cast(birth_on as varchar), city, phone_e164, email_normalised)
                is not null
            and seen.first_seen_at < $until
            and persons.known_at <= $known_until
    )

    select
        persons.*,
        before.content_hash is distinct from persons.content_hash as is_new,
    from (
        select
            *,
            sha256(concat_ws(
                chr(31), $secret, record, full_name, coalesce(born_on, ''),
                coalesce(gender, ''), coalesce(place, ''), coalesce(phone, ''),
                coalesce(email, '')
            )) as content_hash,
        from persons
    ) as persons
    left join (
        select *
        from {STATE}.match_records
        where compared_on < $since
    ) as before using (system, entity, record_key)
"""

# What the days before left, less the pairs of records that are compared again.
_KEPT: Final = f"""
    create or replace temp table match_pairs as
    select
        review.* replace (
            if(applies_from <= $ds, decision, null) as decision,
            coalesce(review.status, 'waiting') as status
        ),
        concat_ws('/', left_system, left_entity, left_record_key) as left_record,
        concat_ws('/', right_system, right_entity, right_record_key) as right_record,
    from {STATE}.match_review as review
    where matched_on < $since or decision is not null
"""

# What two records share by itself links them already.
_SCORED: Final = f"""
    create or replace temp table match_scored as
    with

    shown as (
        select
            concat_ws('/', system, entity, record_key) as record,
            value_hash,
            key_version,
        from staging.identifiers
        where {JOINING}
    ),

    sharing as (
        select distinct scored.left_record, scored.right_record
        from scored_pairs as scored
        inner join shown as lefts on scored.left_record = lefts.record
        inner join shown as rights
            on
                scored.right_record = rights.record
                and lefts.value_hash = rights.value_hash
                and lefts.key_version = rights.key_version
    )

    select * from scored_pairs
    anti join sharing using (left_record, right_record)
"""

# However high its weight, a pair is for a person where birth dates differ, and where
# the name is that of many: parts of a name are not as independent as weights assume.
_TAKE_IN: Final = """
    insert into match_pairs by name
    with

    common as (
        select lower(full_name) as name
        from match_persons
        group by lower(full_name)
        having count(*) >= $common_from
    )

    select
        lefts.system as left_system,
        lefts.entity as left_entity,
        lefts.record_key as left_record_key,
        rights.system as right_system,
        rights.entity as right_entity,
        rights.record_key as right_record_key,
        scored.left_record,
        scored.right_record,
        scored.weight,
        if(
            scored.is_contradicted
            or (
                not coalesce(lefts.born_on = rights.born_on, false)
                and lower(lefts.full_name) in (from common)
            ),
            'doubtful', 'waiting'
        ) as status,
        $version as model_version,
        greatest($since, least($ds, cast(
            greatest(lefts.first_seen_at, rights.first_seen_at)
            at time zone 'UTC' at time zone $timezone as date
        ))) as matched_on,
        greatest(lefts.first_seen_at, rights.first_seen_at) as first_seen_at,
        $run_id as _run_id,
    from match_scored as scored
    inner join match_persons as lefts on scored.left_record = lefts.record
    inner join match_persons as rights on scored.right_record = rights.record
    anti join match_pairs as known using (left_record, right_record)
    where scored.weight >= $review
"""


@dataclass(frozen=True)
class Matched:
    """What matching did: ``query`` gives its links to the resolution.

    ``compared`` counts new and changed records, ``waiting`` the pairs that a person is
    to decide.
    """

    query: str = NO_MATCHES
    compared: int = 0
    accepted: int = 0
    waiting: int = 0


def match(con: duckdb.DuckDBPyConnection, run: Run, config: MatchingConfig) -> Matched:
    """Compare what is new to ``run`` and say which records are one person's.

    Reads ``pii.persons``, ``staging.identifiers`` and the state; leaves the temporary
    tables that ``Matched.query`` and :func:`record` read. Where no record has a name,
    or matching is off, nothing is done, and links of earlier days are withdrawn.
    """
    if not config.enabled or not run.is_newest or not _has_names(con):
        return Matched()
    days = {"ds": run.ds, "since": run.days[0]}
    con.execute(
        _PERSONS,
        {
            "secret": PseudonymKey.from_environment().secret.hex(),
            "until": run.bounds[1],
            "known_until": _known_until(con, run),
            "since": run.days[0],
        },
    )
    con.execute(_KEPT, days)
    compared = _compare(con, run, config)
    accepted, waiting = _decide(con, config)
    return Matched(
        _MATCHES.format(strength=config.strength), compared, accepted, waiting
    )


def record(con: duckdb.DuckDBPyConnection, run: Run, matched: Matched) -> None:
    """Build the tables of matching, after the resolution has begun the build."""
    if matched.query == NO_MATCHES:
        return
    con.execute(
        f"""
        create or replace table {BUILD}.match_review as
        with

        decided as (
            select * from {STATE}.match_review where decision is not null
        ),

        final as (
            select
                pairs.* exclude (left_record, right_record)
                replace (
                    decided.decision as decision,
                    decided.decided_by as decided_by,
                    decided.decided_on as decided_on,
                    decided.applies_from as applies_from
                ),
            from match_pairs as pairs
            left join decided using ({_KEYS})
            union all by name
            select * from decided
            anti join match_pairs using ({_KEYS})
        )

        select * from final
        order by all
        """
    )
    con.execute(
        f"""
        create or replace table {BUILD}.match_records as
        select
            persons.system,
            persons.entity,
            persons.record_key,
            persons.content_hash,
            if(
                persons.is_new,
                greatest($since, least($ds, cast(
                    persons.first_seen_at
                    at time zone 'UTC' at time zone $timezone as date
                ))),
                before.compared_on
            ) as compared_on,
            if(persons.is_new, $run_id, before._run_id) as _run_id,
        from match_persons as persons
        left join {STATE}.match_records as before
            using (system, entity, record_key)
        order by all
        """,
        {
            "ds": run.ds,
            "since": run.days[0],
            "timezone": run.timezone,
            "run_id": run.run_id,
        },
    )
    for table in ("persons", "pairs", "scored"):
        con.execute(f"drop table if exists temp.match_{table}")


def _known_until(con: duckdb.DuckDBPyConnection, run: Run) -> datetime:
    row = con.execute(
        "select known_until from ops.run_dates where ds = ?", [run.ds]
    ).fetchone()
    return row[0] if row and row[0] else datetime.max


def _has_names(con: duckdb.DuckDBPyConnection) -> bool:
    row = con.execute(
        "select exists (from pii.persons where full_name is not null)"
    ).fetchone()
    return row == (True,)


def _compare(con: duckdb.DuckDBPyConnection, run: Run, config: MatchingConfig) -> int:
    """Score what is new against all; the number of new and changed records.

    With a new model all records are new; without any they stay so.
    """
    model = active_model(con, run.days[0], config.training.generation)
    if model is None:
        con.execute("update match_persons set is_new = true")
    row = con.execute("select count(*) from match_persons where is_new").fetchone()
    assert row is not None
    if not row[0]:
        return 0
    persons = con.execute("from match_persons order by record").to_arrow_table()
    model = model or _train(con, run, config, persons)
    if model is None:
        con.execute("delete from match_persons")
        return 0
    con.execute(
        "delete from match_pairs using match_persons as persons"
        " where is_new and decision is null"
        " and persons.record in (left_record, right_record)"
    )
    with duckdb.connect() as own:
        prepare(own, persons)
        fresh = persons.filter(persons["is_new"]).select(["record"])
        own.register("fresh", fresh)
        if not find_pairs(own, config.largest_block, of="fresh"):
            return int(row[0])
        scored = weights(own, model, "pairs")
    _take_in(con, run, config, model, scored)
    return int(row[0])


def _train(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    config: MatchingConfig,
    persons: pa.Table,
) -> Model | None:
    """Learn from the records of the first day, so that a range does as its days do."""
    until = run.of_day(run.days[0]).bounds[1]
    seen = persons["first_seen_at"].to_numpy() < np.datetime64(until)
    persons = persons.filter(pa.array(seen))
    rules = config.training
    if persons.num_rows < rules.least_records:
        return None
    with duckdb.connect() as own:
        fields = prepare(own, persons)
        find_pairs(own, config.largest_block)
        model = train(
            own,
            comparisons_for(fields),
            random_pairs=rules.random_pairs,
            common_from=rules.common_from,
            seed=rules.seed,
        )
    enter_model(con, run, model, persons.num_rows, rules.generation)
    return model


def _take_in(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    config: MatchingConfig,
    model: Model,
    scored: pa.Table,
) -> None:
    con.register(
        "scored_pairs", scored.filter(_at_least(scored["weight"], config.review))
    )
    con.execute(_SCORED)
    con.unregister("scored_pairs")
    con.execute(
        _TAKE_IN,
        {
            "version": model.version,
            "ds": run.ds,
            "since": run.days[0],
            "timezone": run.timezone,
            "run_id": run.run_id,
            "review": config.review,
            "common_from": config.training.common_from,
        },
    )


def _at_least(column: pa.ChunkedArray, least: float) -> pa.Array:
    return pa.array(column.to_numpy() >= least)


def _decide(con: duckdb.DuckDBPyConnection, config: MatchingConfig) -> tuple[int, int]:
    """Say of each pair whether it is linked; a person's word goes before weights."""
    rows = con.execute(
        "select left_record, right_record, weight, decision, status"
        " from match_pairs order by left_record, right_record"
    ).fetchall()
    names = sorted({name for row in rows for name in row[:2]})
    place = {name: n for n, name in enumerate(names)}
    told = {
        verdict: pairs_of((place[r[0]], place[r[1]]) for r in rows if r[3] == verdict)
        for verdict in ("same", "different")
    }
    sure = [
        (place[left], place[right], _DECIDED if decision == "same" else weight)
        for left, right, weight, decision, status in rows
        if decision == "same"
        or (decision is None and status != "doubtful" and weight >= config.accept)
    ]
    kinds = _kinds(names, config, {n for pair in told["same"] for n in pair})
    left = np.array([s[0] for s in sure], np.int64)
    right = np.array([s[1] for s in sure], np.int64)
    weight = np.array([s[2] for s in sure], np.float64)
    label = chain(len(names), left, right, weight, Apart(kinds, told["different"]))
    linked = pa.array(within(label, left, right))
    con.register(
        "linked_pairs",
        pa.table(
            {
                "left_record": [names[n] for n in left],
                "right_record": [names[n] for n in right],
            },
            schema=pa.schema(
                [("left_record", pa.string()), ("right_record", pa.string())]
            ),
        ).filter(linked),
    )
    con.execute(
        """
        update match_pairs set status = case
            when decision = 'different' then 'refused'
            when (left_record, right_record) in (
                select (left_record, right_record) from linked_pairs
            ) then 'accepted'
            when status = 'doubtful' then 'doubtful'
            else 'waiting'
        end
        """
    )
    con.unregister("linked_pairs")
    counts = con.execute(
        "select count(*) filter (where status = 'accepted'),"
        " count(*) filter (where status in ('waiting', 'doubtful'))"
        " from match_pairs"
    ).fetchone()
    assert counts is not None
    return int(counts[0]), int(counts[1])


def _kinds(
    names: list[str], config: MatchingConfig, decided: set[int]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The source of each record where it has no duplicates; a decision lifts that."""
    numbers = {s: n for n, s in enumerate(config.without_duplicates, start=1)}
    return np.array(
        [
            0 if n in decided else numbers.get("/".join(name.split("/", 2)[:2]), 0)
            for n, name in enumerate(names)
        ],
        np.int64,
    )

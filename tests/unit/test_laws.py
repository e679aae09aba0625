"""Laws that a gate checks beside its suites."""

from datetime import date
from pathlib import Path

import duckdb
import pytest
from strata import laws
from strata.run import Run

DAY = date(2009, 11, 30)


@pytest.mark.parametrize(
    ("users", "seen", "verdict", "told"),
    [
        (2, "2009-11-01", "passed", "2 users on 2009-11-30"),
        (
            0,
            "2009-12-01",
            "failed",
            "0 users on 2009-11-30; the first of 1 identifiers was seen on 2009-12-01",
        ),
        (
            0,
            None,
            "failed",
            "0 users on 2009-11-30; no source has brought an identifier",
        ),
    ],
)
def test_a_day_on_which_nobody_is_known_is_told(
    tmp_path: Path, users: int, seen: str | None, verdict: str, told: str
) -> None:
    con = duckdb.connect()
    con.execute("create schema staging; create schema build_features")
    con.execute(
        "create table staging.identifiers as select ?::timestamp as first_seen_at"
        " where ? is not null",
        [seen, seen],
    )
    con.execute(
        "create table build_features.feat_users as select ?::date as ds from range(?)",
        [DAY, users],
    )

    run = Run("2009-11-30.1", DAY, "shop", tmp_path, "UTC")
    (found,) = laws.somebody_known(con, run, "features")

    assert (found.verdict, found.observed) == (verdict, told)
    assert laws.somebody_known(con, run, "segments") == []

"""Two tables side by side: what counts as the same, and how a difference is told."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strata.parity.comparing import Comparison, Example, compare


def compared(
    folder: Path, ours: str, theirs: str, key: Sequence[str] = ("id",)
) -> Comparison:
    """What two queries give, as files of the two engines."""
    (folder / "theirs").mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.execute(f"copy ({ours}) to '{folder}/ours.parquet'")
        con.execute(f"copy ({theirs}) to '{folder}/theirs/part-0.parquet'")
        return compare(con, folder / "ours.parquet", [folder / "theirs"], key)


ROWS = (
    "select * from (values (1, 'a', 1.5::double), (2, null, null)) t(id, name, share)"
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ROWS, f"select name, share, id from ({ROWS}) order by id desc"),
        ("select 1 as id, 3::integer as n", "select 1 as id, 3::bigint as n"),
        ("select 1 as id, 'a' as _run_id", "select 1 as id, 'b' as _run_id"),
        ("select 1 as id, 0.1::double + 0.2 as x", "select 1 as id, 0.3::double as x"),
        (
            "select 1 as id, timestamp '2026-01-01 10:00:00' as at",
            "select 1 as id, timestamptz '2026-01-01 10:00:00+00' as at",
        ),
        (f"{ROWS} limit 0", f"{ROWS} limit 0"),
    ],
    ids=["order", "width", "operational", "last digit", "instant", "empty"],
)
def test_what_means_the_same_is_the_same(
    tmp_path: Path, ours: str, theirs: str
) -> None:
    assert compared(tmp_path, ours, theirs).holds


def test_a_difference_is_told_by_key_and_column(tmp_path: Path) -> None:
    ours = "select id, 'x' as name, id * 1.0::double as share from range(1, 5) t(id)"
    theirs = (
        "select id, if(id = 3, 'y', 'x') as name,"
        " id * if(id = 2, 1.00000001, 1.0)::double as share from range(2, 6) t(id)"
    )

    found = compared(tmp_path, ours, theirs)

    assert found == Comparison(
        ours=4,
        theirs=4,
        only_ours=1,
        only_theirs=1,
        differing=2,
        columns={"name": 1, "share": 1},
        examples=(
            Example(("id",), ("1",), "", "a row", "none"),
            Example(("id",), ("2",), "share", "2.0", "2.00000002"),
            Example(("id",), ("3",), "name"),
        ),
    )
    assert not found.holds


@pytest.mark.parametrize(
    ("theirs", "shape"),
    [
        ("select 1 as id", "n is on DuckDB only"),
        ("select 1 as id, 2 as n, 3 as m", "m is on Spark only"),
        ("select 1 as id, '2' as n", "n is INTEGER on DuckDB and VARCHAR on Spark"),
        (
            "select 1 as id, 2::decimal(9, 2) as n",
            "n is INTEGER on DuckDB and DECIMAL(9,2) on Spark",
        ),
    ],
)
def test_other_columns_or_types_are_a_difference(
    tmp_path: Path, theirs: str, shape: str
) -> None:
    found = compared(tmp_path, "select 1 as id, 2 as n", theirs)

    assert found.shape == (shape,) and not found.holds


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.5, 0.25])), max_size=6))
def test_rows_without_a_key_are_compared_as_often_as_they_stand(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float]]
) -> None:
    """Any rows equal themselves in any order; one row more or less never does."""

    def query(rows: list[tuple[int, float]]) -> str:
        values = ", ".join(f"({n}, {x}::double)" for n, x in [*rows, (9, 1.0)])
        return f"select * from (values {values}) t(n, x)"

    folder = tmp_path_factory.mktemp("tables")
    other = compared(folder, query(rows), query([*rows, (1, 0.5)]), ())

    assert compared(folder, query(rows), query(rows[::-1]), ()).holds
    assert (other.only_ours, other.only_theirs) == (0, 1)

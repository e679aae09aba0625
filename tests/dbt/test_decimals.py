"""Money that is divided has the digits that the division has, on DuckDB.

``test_spark`` asks Spark the same.
"""

from decimal import Context, Decimal, localcontext

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.dbt.cross_engine import TIES, Divided, amounts_per, by_hand, rendered

AMOUNTS = st.decimals(Decimal("-1e11"), Decimal("1e11"), places=4)
PARTS = st.integers(1, 10**9) | st.integers(1, 64)
CENTS = st.builds(lambda cents: Decimal(cents) / 100, st.integers(-(10**7), 10**7))


@given(pairs=st.lists(st.tuples(AMOUNTS | CENTS, PARTS), min_size=1, max_size=30))
@example(pairs=TIES)
def test_an_amount_is_divided_exactly(pairs: list[Divided]) -> None:
    answer = duckdb.sql(amounts_per("duckdb", pairs)).fetchall()

    with localcontext(Context(prec=60)):
        assert [Decimal(text) for _, text in answer] == [by_hand(p) for p in pairs]


@pytest.mark.parametrize("parts", ["0", "-1", "null"])
def test_an_amount_by_nothing_is_null(parts: str) -> None:
    quotient = rendered("duckdb", f"amount_per('12.5', '{parts}')")

    assert duckdb.sql(f"select {quotient}").fetchall() == [(None,)]

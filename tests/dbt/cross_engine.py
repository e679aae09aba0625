"""The macros of decimals as either engine gets them, rendered without dbt."""

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import jinja2

MACROS = Path(__file__).parents[2] / "dbt_project" / "macros" / "cross_engine"
DIGIT = Decimal("0.0001")

Engine = Literal["duckdb", "spark"]
Divided = tuple[Decimal, int]


def rendered(engine: Engine, call: str) -> str:
    """What the text of a model that calls a macro comes to on an engine."""
    text = "".join(
        (MACROS / f"{n}.sql").read_text("utf-8") for n in ("types", "decimals")
    )
    prefix = "spark" if engine == "spark" else "default"

    def dispatch(name: str, _package: str) -> Any:
        return getattr(made.module, f"{prefix}__{name}")

    environment = jinja2.Environment()
    environment.globals |= {
        "adapter": SimpleNamespace(dispatch=dispatch),
        "return": lambda value: value,
    }
    made = environment.from_string(text)
    return environment.from_string(text + "{{ " + call + " }}").render().strip()


def amounts_per(engine: Engine, pairs: list[Divided]) -> str:
    """A query that divides each amount by its number; ``no`` is the place of the pair."""
    rows = ", ".join(
        f"({no}, cast('{amount}' as decimal(18, 4)), cast({parts} as bigint))"
        for no, (amount, parts) in enumerate(pairs)
    )
    quotient = rendered(engine, "amount_per('pairs.amount', 'pairs.parts')")
    return (
        f"select pairs.no, cast({quotient} as string) as quotient"
        f" from (values {rows}) as pairs (no, amount, parts) order by 1"
    )


def by_hand(pair: Divided) -> Decimal:
    """The quotient to four digits, half away from zero."""
    return (pair[0] / pair[1]).quantize(DIGIT, ROUND_HALF_UP)


TIES = [
    (Decimal(f"{sign}{amount}"), parts)
    for sign in ("", "-")
    for amount, parts in [
        ("314.59", 8),
        ("0.0004", 8),
        ("0.0001", 2),
        ("0.0001", 3),
        ("0.0002", 3),
        ("847.2625", 10),
        ("99999999999.9999", 2),
        ("99999999999.9999", 1),
        ("10000000000.01", 1000000000),
        ("99999999999.9999", 999999999),
        ("0", 7),
    ]
]
"""Quotients that end in half a digit, those beside them, and the widest there are."""


DOUBLES = (39.32375, -39.32375, 0.0009765625, 1.00005, 2.5e-10, 1e13, 1e18, 0.1)


def decimals_of_doubles(engine: Engine) -> str:
    """A query that gives each of ``DOUBLES`` with four digits and with nine."""
    return " union all ".join(
        f"select {no} as no, cast({rendered(engine, four)} as string) as four,"
        f" cast({rendered(engine, nine)} as string) as nine"
        for no, value in enumerate(DOUBLES)
        for four in [f"decimal_of_double('cast({value} as double)')"]
        for nine in [f"decimal_of_double('cast({value} as double)', scale=9)"]
    )

"""The users of a run: tiers by value, movement between them, segments, actions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from strata.config.tiers import LIFECYCLES, TIERS
from strata.report.reading import Reader, Row
from strata.report.summary import RunSummary, in_order

HISTORY_DAYS = 14


@dataclass(frozen=True)
class TierFacts:
    """One tier on the run's day. Money is summed over the last or next 365 days."""

    tier: str
    users: int
    before: int | None
    dormant: int
    at_risk: int
    revenue: float | None
    clv: float | None


@dataclass(frozen=True)
class Movement:
    """Users by tier on the previous published day and on this one.

    ``cells[before, after]``; ``arrived`` had no tier before, ``left`` have none now.
    """

    since: date
    cells: Mapping[tuple[str, str], int]
    arrived: Mapping[str, int]
    left: Mapping[str, int]
    tiers: tuple[str, ...]

    @property
    def stayed(self) -> int:
        """Users whose tier is the one they had."""
        return sum(n for (old, new), n in self.cells.items() if old == new)

    @property
    def rose(self) -> int:
        """Users who went to a tier nearer the top."""
        return self._moved(-1)

    @property
    def fell(self) -> int:
        """Users who went to a tier further down."""
        return self._moved(1)

    def _moved(self, sign: int) -> int:
        place = {tier: i for i, tier in enumerate(self.tiers)}
        return sum(
            users
            for (old, new), users in self.cells.items()
            if (place[new] - place[old]) * sign > 0
        )


@dataclass(frozen=True)
class People:
    """What the page says about users. Empty where the run published no tiers."""

    tiers: tuple[TierFacts, ...] = ()
    currency: str | None = None
    movement: Movement | None = None
    history: Mapping[date, Mapping[str, int]] = field(default_factory=dict)
    rfm: Mapping[str, int] = field(default_factory=dict)
    lifecycle: Mapping[str, int] = field(default_factory=dict)
    actions: tuple[Row, ...] = ()
    reasons: tuple[Row, ...] = ()


def read_people(reader: Reader, summary: RunSummary) -> People:
    """The users of the run of ``summary``, compared with the published day before."""
    if not summary.tiers:
        return People()
    return People(
        tiers=_tier_facts(reader, summary),
        currency=_currency(reader),
        movement=_movement(reader, summary),
        history=_history(reader, summary.ds),
        rfm=_counts(reader, summary, "rfm_segment"),
        lifecycle=_lifecycle(reader, summary),
        actions=_actions(reader, summary),
        reasons=_reasons(reader, summary),
    )


def _tier_facts(reader: Reader, summary: RunSummary) -> tuple[TierFacts, ...]:
    snapshot = [summary.ds, summary.run_id]
    rows = reader.rows(
        "select tier, count(*) filter (is_dormant) as dormant,"
        " count(*) filter (is_at_risk) as at_risk"
        " from segments.user_tiers where ds = ? and _run_id = ? group by tier",
        snapshot,
    )
    flags = {row["tier"]: row for row in rows}
    before = _users_by_tier(reader, summary.previous_ds) if summary.previous_ds else {}
    revenue = _money_by_tier(
        reader,
        summary,
        "features.feat_users",
        "select unified_user_id, net_amount_365d as amount from features.feat_users"
        " where ds = ? and _run_id = ?",
    )
    clv = _money_by_tier(
        reader,
        summary,
        "segments.scores",
        "select unified_user_id, value as amount from segments.scores"
        " where ds = ? and _run_id = ? and score_name = 'clv_365d'",
    )
    return tuple(
        TierFacts(
            tier=tier,
            users=users,
            before=before.get(tier, 0) if summary.previous_ds else None,
            dormant=flags[tier]["dormant"] if tier in flags else 0,
            at_risk=flags[tier]["at_risk"] if tier in flags else 0,
            revenue=revenue.get(tier),
            clv=clv.get(tier),
        )
        for tier, users in summary.tiers.items()
    )


def _users_by_tier(reader: Reader, ds: date) -> dict[str, int]:
    rows = reader.rows(
        "select tier, count(*) as users from segments.user_tiers"
        " where ds = ? group by tier",
        [ds],
    )
    return {row["tier"]: row["users"] for row in rows}


def _money_by_tier(
    reader: Reader, summary: RunSummary, table: str, amounts: str
) -> dict[str, float]:
    """Sum of ``amounts`` a tier; a tier of which no amount is known is left out."""
    if not reader.has(table):
        return {}
    snapshot = [summary.ds, summary.run_id]
    rows = reader.rows(
        f"with amounts as ({amounts})"
        " select tiers.tier, sum(amounts.amount) as amount"
        " from segments.user_tiers as tiers"
        " inner join amounts using (unified_user_id)"
        " where tiers.ds = ? and tiers._run_id = ? group by tiers.tier",
        [*snapshot, *snapshot],
    )
    return {r["tier"]: float(r["amount"]) for r in rows if r["amount"] is not None}


def _currency(reader: Reader) -> str | None:
    """The currency of the orders; None where there is none, or more than one."""
    if not reader.has("marts.fct_orders"):
        return None
    rows = reader.rows(
        "select distinct currency from marts.fct_orders where currency is not null"
    )
    return rows[0]["currency"] if len(rows) == 1 else None


def _movement(reader: Reader, summary: RunSummary) -> Movement | None:
    if summary.previous_ds is None:
        return None
    rows = reader.rows(
        "with before as (select unified_user_id, tier from segments.user_tiers"
        " where ds = ?),"
        " after as (select unified_user_id, tier from segments.user_tiers"
        " where ds = ? and _run_id = ?)"
        " select before.tier as old, after.tier as new, count(*) as users"
        " from before full join after using (unified_user_id) group by all",
        [summary.previous_ds, summary.ds, summary.run_id],
    )
    named = {tier for row in rows for tier in (row["old"], row["new"]) if tier}
    return Movement(
        since=summary.previous_ds,
        cells={(r["old"], r["new"]): r["users"] for r in rows if r["old"] and r["new"]},
        arrived={r["new"]: r["users"] for r in rows if r["old"] is None},
        left={r["old"]: r["users"] for r in rows if r["new"] is None},
        tiers=tuple(in_order({*TIERS, *named}, TIERS)),
    )


def _history(reader: Reader, ds: date) -> dict[date, dict[str, int]]:
    """Users by tier of the last published days, oldest first."""
    rows = reader.rows(
        "select ds, tier, count(*) as users from segments.user_tiers"
        " where ds in (select distinct ds from segments.user_tiers where ds <= ?"
        " order by ds desc limit ?) group by ds, tier order by ds",
        [ds, HISTORY_DAYS],
    )
    days: dict[date, dict[str, int]] = {}
    for row in rows:
        days.setdefault(row["ds"], {})[row["tier"]] = row["users"]
    return days


def _counts(reader: Reader, summary: RunSummary, column: str) -> dict[str, int]:
    rows = reader.rows(
        f"select {column} as name, count(*) as users from segments.user_tiers"
        " where ds = ? and _run_id = ? group by all order by users desc, name",
        [summary.ds, summary.run_id],
    )
    return {row["name"] or "not known": row["users"] for row in rows}


def _lifecycle(reader: Reader, summary: RunSummary) -> dict[str, int]:
    users = _counts(reader, summary, "lifecycle")
    return {name: users[name] for name in in_order(users, LIFECYCLES)}


def _actions(reader: Reader, summary: RunSummary) -> tuple[Row, ...]:
    return tuple(
        reader.rows(
            "select next_action as action, next_action_mode as mode,"
            " count(*) as users from segments.user_tiers"
            " where ds = ? and _run_id = ? and next_action is not null"
            " group by all order by users desc, action, mode limit 12",
            [summary.ds, summary.run_id],
        )
    )


def _reasons(reader: Reader, summary: RunSummary) -> tuple[Row, ...]:
    """The three most frequent strongest reasons of each tier."""
    if not reader.has("segments.reasons"):
        return ()
    rows = reader.rows(
        "select tiers.tier, reasons.feature, count(*) as users"
        " from segments.reasons as reasons"
        " inner join segments.user_tiers as tiers using (unified_user_id, ds, _run_id)"
        " where reasons.ds = ? and reasons._run_id = ? and reasons.rank = 1"
        " group by tiers.tier, reasons.feature"
        " qualify row_number() over"
        " (partition by tiers.tier order by users desc, reasons.feature) <= 3"
        " order by users desc, reasons.feature",
        [summary.ds, summary.run_id],
    )
    places = in_order((row["tier"] for row in rows), TIERS)
    return tuple(sorted(rows, key=lambda row: places.index(row["tier"])))

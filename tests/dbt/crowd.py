"""A crowd that looks, puts into carts and buys at random, and what that comes to.

The counts here are made from all moments, one by one, as docs/journeys.md words them;
the warehouse makes them from firsts and lasts of a day.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any, Protocol

STEPS = ("product_view", "add_to_cart", "checkout", "order")
ZONE = timedelta(hours=8)
CART = timedelta(hours=24)
PATH = timedelta(days=7)
SMALLEST_CELL = 5
PEOPLE = 9


@dataclass(frozen=True)
class Act:
    """What one of the crowd did: a step of the funnel, with its value, or an order."""

    user: str
    kind: str
    at: datetime
    value: int

    @property
    def day(self) -> date:
        """The local day."""
        return (self.at + ZONE).date()


class Teller(Protocol):
    """Writes what people do into a warehouse."""

    def maps(self, record: Any, user: str | None, since: date) -> None: ...
    def does(self, record: Any, event_type: str, at: datetime, value: Any) -> None: ...
    def buys(self, record: Any, amount: float, at: datetime) -> None: ...


def acts(end: datetime, days: int = 45, seed: int = 5) -> list[Act]:
    """The same for the same seed; all before ``end``, half of them in the last days."""
    rng = random.Random(seed)
    done = []
    for number in range(PEOPLE):
        for back in range(days):
            if rng.random() > (0.8 if back < 3 else 0.3):
                continue
            for _ in range(rng.randint(1, 6)):
                kind = rng.choice(STEPS + STEPS[:2])
                at = end - timedelta(days=back, seconds=rng.randint(1, 86_399))
                done.append(Act(f"u_{number}", kind, at, rng.randint(1, 99)))
    return done


def enlist(company: Teller, since: date) -> None:
    """Their records: they look on the web and buy in the shop."""
    for number in range(PEOPLE):
        company.maps(("web", "accounts", f"F{number}"), f"u_{number}", since)
        company.maps(("store", "buyers", f"F{number}"), f"u_{number}", since)


def tell(company: Teller, done: Iterable[Act]) -> None:
    """Write what they did."""
    for act in done:
        key = f"F{act.user.removeprefix('u_')}"
        if act.kind == "order":
            company.buys(("store", "buyers", key), act.value, act.at)
        else:
            company.does(("web", "accounts", key), act.kind, act.at, act.value)


def features(done: list[Act], ds: date, end: datetime) -> dict[str, dict[str, Any]]:
    """By user: what the family journey says of them on ``ds``."""
    users = sorted({act.user for act in done})
    return {
        user: _of_user([a for a in done if a.user == user], ds, end) for user in users
    }


def _of_user(done: list[Act], ds: date, end: datetime) -> dict[str, Any]:
    found: dict[str, Any] = dict(_funnels(done, ds))
    found |= _carts(done, ds, end)
    orders = sorted((a for a in done if a.kind == "order"), key=lambda a: a.at)
    paths = [_path(done, order) for order in orders]
    met = Counter(path for path in paths if path)
    newest = {path: number for number, path in enumerate(paths)}
    found["last_conversion_path"] = paths[-1] or None if paths else None
    found["touched_orders_90d"] = sum(met.values())
    found["usual_path_90d"] = (
        max(met, key=lambda path: (met[path], newest[path])) if met else None
    )
    return found


def _funnels(done: list[Act], ds: date) -> Iterator[tuple[str, Any]]:
    names = ("product_view", "funnel_cart", "funnel_checkout", "funnel_order")
    reached = {day: reach(acts) for day, acts in _by_day(done).items()}
    for name, step in zip(names, STEPS, strict=True):
        for window in (7, 30, 90):
            days = [d for d in reached if (ds - d).days < window]
            yield f"{name}_days_{window}d", sum(step in reached[d] for d in days)
    for before, step in pairwise(STEPS):
        seconds = [
            (r[step] - r[before]).total_seconds()
            for r in reached.values()
            if step in r and r[step] >= r[before]
        ]
        yield f"{before}_to_{step}_seconds_90d", median(seconds) if seconds else None


def reach(done: list[Act]) -> dict[str, datetime]:
    """The steps that some acts get to, in order, and the first moment of each."""
    reached: dict[str, datetime] = {}
    for number, step in enumerate(STEPS):
        moments = [act.at for act in done if act.kind == step]
        before = reached.get(STEPS[number - 1]) if number else None
        if not moments or (number and before is None):
            break
        if before is not None and not any(at >= before for at in moments):
            break
        reached[step] = min(moments)
    return reached


def _carts(done: list[Act], ds: date, end: datetime) -> dict[str, Any]:
    found: Counter[str] = Counter()
    amount, is_open = Decimal(0), 0
    for day, acts in _by_day(done).items():
        carted = [act for act in acts if act.kind == "add_to_cart"]
        if not carted:
            continue
        first, last = min(a.at for a in carted), max(a.at for a in carted)
        window = (first, last + CART)
        bought = any(a.kind == "order" and window[0] <= a.at <= window[1] for a in done)
        fate = "bought" if bought else "abandoned" if window[1] <= end else "open"
        is_open += fate == "open"
        for window_days in (7, 30, 90):
            if (ds - day).days < window_days:
                found[f"{fate}_cart_count_{window_days}d"] += 1
        if fate == "abandoned" and (ds - day).days < 90:
            amount += sum(a.value for a in carted)
    names = [f"{f}_cart_count_{w}d" for f in ("bought", "abandoned") for w in (7, 30)]
    counts = {name: found[name] for name in names}
    return counts | {"open_carts": is_open, "abandoned_cart_amount_90d": amount}


def _path(done: list[Act], order: Act) -> str:
    touches = sorted(
        a.at for a in done if a.kind != "order" and order.at - PATH <= a.at < order.at
    )
    return " > ".join("web_somewhere" for _ in touches)


def _by_day(done: Iterable[Act]) -> dict[date, list[Act]]:
    days: dict[date, list[Act]] = defaultdict(list)
    for act in done:
        days[act.day].append(act)
    return days


def funnel_rows(done: list[Act]) -> set[tuple[Any, ...]]:
    """(period, first day, step, users, conversions) over everybody, small ones None."""
    rows = set()
    for period in ("day", "week"):
        reached: dict[date, list[dict[str, datetime]]] = defaultdict(list)
        groups: dict[tuple[date, str], list[Act]] = defaultdict(list)
        for act in done:
            back = act.day.weekday() if period == "week" else 0
            groups[act.day - timedelta(days=back), act.user].append(act)
        for (start, _), of_user in groups.items():
            reached[start].append(reach(of_user))
        for start, found in reached.items():
            users = [sum(step in r for r in found) for step in STEPS]
            for step, here, onward in zip(
                STEPS, users, [*users[1:], None], strict=True
            ):
                if users[0]:
                    shown = _shown(here), _shown(onward) if _shown(here) else None
                    shown = (shown[0], 0) if here == onward == 0 else shown
                    rows.add((period, start, step, *shown))
    return {(*row[:4], None) if row[2] == "order" else row for row in rows}


def _shown(count: int | None) -> int | None:
    return count if count == 0 or (count and count >= SMALLEST_CELL) else None

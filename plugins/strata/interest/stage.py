"""Which categories go with which, learned from what the users of a day had bought."""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from strata.config.features import NextCategoryRules
from strata.interest.ease import Flags, hits, weights
from strata.registry import (
    CONVERGED,
    StoredModel,
    newest_model,
    put_in_force,
    version_of,
    write_models,
)
from strata.run import Run

NAME: Final = "next_category"

_INCOMING = "category_weights_incoming"
_FIRSTS = (1, 3)
_BOUGHT = """
    with owners as (
        select id_map.system, id_map.entity, id_map.record_key, id_map.unified_user_id,
            run_dates.ds, run_dates.ends_at, run_dates.known_until, run_dates.timezone
        from identity.id_map as id_map
        inner join ops.run_dates as run_dates
            on id_map.recorded_from <= run_dates.recorded_until
            and (id_map.recorded_to is null
                or run_dates.recorded_until < id_map.recorded_to)
            and id_map.effective_from <= run_dates.ds
            and (id_map.effective_to is null or run_dates.ds < id_map.effective_to)
        where run_dates.ds = $ds and id_map.unified_user_id is not null
    )
    select
        owners.unified_user_id as user_id,
        lines.category,
        min(timezone(owners.timezone, timezone('UTC', orders.ordered_at))::date)
            as first_on
    from staging.orders as orders
    inner join owners
        on orders.system = owners.system
        and orders.person_entity = owners.entity
        and orders.person_key = owners.record_key
        and orders.ordered_at < owners.ends_at
        and orders.head_known_at <= owners.known_until
    inner join staging.order_lines as lines
        on orders.order_id = lines.order_id
        and lines.known_at <= owners.known_until
    where orders.status in ('completed', 'cancelled')
        and (orders.cancelled_at is null or orders.cancelled_at >= owners.ends_at
            or orders.cancelled_known_at > owners.known_until)
        and orders.ordered_at >= owners.ends_at - to_days($history)
        and lines.category is not null and lines.category <> 'non_product'
        and lines.net_amount > 0
    group by all
    order by all
"""


@dataclass(frozen=True)
class Bought:
    """Who had bought which category, and since when, as days before the end."""

    categories: list[str]
    users: np.ndarray[Any, np.dtype[np.intp]]
    items: np.ndarray[Any, np.dtype[np.intp]]
    days_ago: np.ndarray[Any, np.dtype[np.int64]]

    @property
    def user_count(self) -> int:
        """Users with a purchase."""
        return int(self.users.max()) + 1 if self.users.size else 0

    def matrix(self, least_days_ago: int = 0) -> Flags:
        """One row a user, one column a category: bought by then for the first time."""
        found = np.zeros((self.user_count, len(self.categories)), dtype=bool)
        then = self.days_ago >= least_days_ago
        found[self.users[then], self.items[then]] = True
        return found


def learn_categories(
    con: duckdb.DuckDBPyConnection, run: Run, rules: NextCategoryRules
) -> None:
    """Write ``learned.category_weights`` for the days in ``ops.run_dates``.

    One row a version in force, category and other category: how much the one speaks
    for the other. A model is fitted where none is in force, if there is enough to
    learn from; it is then in ``build_models.registry``.
    """
    con.execute(
        "create schema if not exists learned;"
        " create or replace table learned.category_weights (model_version"
        " varchar, category varchar, next_category varchar, weight double)"
    )
    write_models(con, run, [])
    versions: dict[date, str] = {}
    in_force: dict[str, StoredModel] = {}
    for (ds,) in con.execute("select ds from ops.run_dates order by ds").fetchall():
        stored = newest_model(con, NAME, ds, rules.refit_days)
        if stored is None:
            stored = fit(con, ds, rules)
            if stored is None:
                continue
            write_models(con, run, [stored])
        versions[ds] = stored.version
        in_force[stored.version] = stored
    put_in_force(con, NAME, versions)
    for stored in in_force.values():
        _write(con, stored)


def fit(
    con: duckdb.DuckDBPyConnection, ds: date, rules: NextCategoryRules
) -> StoredModel | None:
    """A model of what was bought by the end of ``ds``; null with too little to learn.

    λ is the one of ``rules.penalties`` that, learned without the last ``test_days``,
    best tells the category that came next; popularity is measured beside it.
    """
    bought = _read(con, ds, rules)
    if bought.user_count < rules.least_users or len(bought.categories) < 2:
        return None
    before, after = bought.matrix(rules.test_days), bought.matrix()
    tried = {
        penalty: hits(before, after, before @ weights(before, penalty), _FIRSTS)
        for penalty in rules.penalties
    }
    best = max(rules.penalties, key=lambda p: (tried[p].get("recall_1", 0.0), p))
    popular = np.broadcast_to(before.sum(axis=0).astype(float), before.shape)
    found = weights(after, best)
    artefact = {
        "categories": bought.categories,
        "weights": [[float(w) for w in row] for row in found],
    }
    fingerprint = hashlib.sha256(
        b"".join(part.tobytes() for part in (bought.users, bought.items))
        + "\n".join(bought.categories).encode()
    ).hexdigest()
    return StoredModel(
        model=NAME,
        version=version_of(NAME, ds, artefact, fingerprint),
        trained_through=ds,
        status=CONVERGED,
        card={
            "what": "which category goes with which, by EASE on users and categories",
            "users": bought.user_count,
            "categories": len(bought.categories),
            "penalty": best,
            "data_fingerprint": fingerprint,
            "settings": rules.model_dump(),
            "out_of_time": {
                "ease": tried[best],
                "popularity": hits(before, after, popular, _FIRSTS),
            },
        },
        artefact=artefact,
    )


def _read(con: duckdb.DuckDBPyConnection, ds: date, rules: NextCategoryRules) -> Bought:
    """Purchases known to ``ds``, of the most bought categories."""
    rows = con.execute(_BOUGHT, {"ds": ds, "history": rules.history_days}).df()
    sizes = rows["category"].value_counts()
    kept = sorted(sizes.index, key=lambda name: (-sizes[name], name))
    categories = sorted(kept[: rules.most_categories])
    rows = rows[rows["category"].isin(categories)]
    _, users = np.unique(rows["user_id"].to_numpy(dtype=object), return_inverse=True)
    since = rows["first_on"].to_numpy(dtype="datetime64[D]")
    return Bought(
        categories,
        users.astype(np.intp),
        np.searchsorted(np.array(categories, dtype=object), rows["category"]),
        (np.datetime64(ds, "D") - since).astype(np.int64),
    )


def _write(con: duckdb.DuckDBPyConnection, stored: StoredModel) -> None:
    names = stored.artefact["categories"]
    cells = [
        (name, other, weight)
        for name, row in zip(names, stored.artefact["weights"], strict=True)
        for other, weight in zip(names, row, strict=True)
        if other != name
    ]
    columns = [pa.array(column) for column in zip(*cells, strict=True)]
    con.register(
        _INCOMING, pa.table(columns, names=["category", "next_category", "weight"])
    )
    try:
        con.execute(
            "insert into learned.category_weights by name"
            f" select *, ? as model_version from {_INCOMING}",
            [stored.version],
        )
    finally:
        con.unregister(_INCOMING)

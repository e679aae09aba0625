"""Days that are built together are the days built one by one."""

from datetime import date, timedelta
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strata import building, orchestration
from strata.orchestration import together
from strata.run import Decision
from strata.tenant import Tenant

from tests.integration.world import (
    FIRST,
    contents,
    copy_of,
    crm_rows,
    rows,
    run_day,
    run_range,
    small_project,
    small_tenant,
)

BEFORE = FIRST + timedelta(days=20)
DAYS = [BEFORE + timedelta(days=n) for n in (1, 2)]


@pytest.mark.slow
def test_days_built_together_are_the_days_built_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late rows, changed records, new and merged people: each day knows its own past."""
    monkeypatch.setattr(building, "_SNAPSHOTS_AT_ONCE", 1)
    resolving = import_module("strata.identity.resolve")
    monkeypatch.setattr(resolving, "_DAYS_A_TRANSACTION", 1)
    root = small_project(tmp_path / "project", late_rows=0.1)
    one_by_one = Tenant("sample", root=root, state=tmp_path / "daily")
    run_day(one_by_one, BEFORE)
    at_once = copy_of(one_by_one, tmp_path / "at_once")
    for day in DAYS:
        run_day(one_by_one, day)

    run_range(at_once, DAYS[0], DAYS[-1])

    assert contents(at_once) == contents(one_by_one)
    assert crm_rows(at_once) == crm_rows(one_by_one)
    published = "select distinct ds from audit.publications where stage = 'features'"
    assert sorted(rows(at_once, published)) == sorted(rows(one_by_one, published))


def test_a_run_is_told_of_its_own_days_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DAG in one process keeps the parameters of its last run: each run gives all."""
    tenant = small_tenant(tmp_path)
    monkeypatch.setattr(orchestration, "tenant_of_environment", lambda: tenant)
    monkeypatch.setattr(orchestration, "prepare_airflow", lambda _: None)
    monkeypatch.setattr(orchestration, "_load_dag", RememberingDag)
    monkeypatch.setattr(
        orchestration, "together", lambda *_: [(DAYS[0], DAYS[1]), (BEFORE, BEFORE)]
    )

    done = orchestration.run_days(tenant, [BEFORE, *DAYS], lambda *_: None)

    told = "select since, ds from audit.runs where run_id = ?"
    assert [rows(tenant, told, run_id) for run_id in done] == [
        [(DAYS[0], DAYS[1])],
        [(None, BEFORE)],
    ]


def test_only_days_before_the_newest_are_restated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a person who says why; what is refused leaves no run."""
    tenant = small_tenant(tmp_path)
    tenant.warehouse.migrate()
    rows(
        tenant,
        "insert into audit.publications (stage, ds, run_id, fingerprint, rows,"
        " is_newest) values ('features', ?, 'r', 'f', 1, true)",
        DAYS[1],
    )
    monkeypatch.setattr(orchestration, "tenant_of_environment", lambda: tenant)
    monkeypatch.setattr(orchestration, "prepare_airflow", lambda _: None)
    monkeypatch.setattr(orchestration, "_load_dag", RememberingDag)
    decision = Decision("A. Person", "a file came late")

    for days in (DAYS, [*DAYS, DAYS[1] + timedelta(days=1)]):
        with pytest.raises(ValueError, match="not older than the newest published"):
            orchestration.run_days(tenant, days, lambda *_: None, decision=decision)
    with pytest.raises(ValueError, match="needs the name of who decides it"):
        Decision("A. Person", " ")
    orchestration.run_days(tenant, DAYS[:1], lambda *_: None, decision=decision)
    orchestration.run_days(tenant, DAYS[1:], lambda *_: None)

    told = "select ds, is_newest, decided_by, reason from audit.runs order by ds"
    assert rows(tenant, told) == [
        (DAYS[0], False, "A. Person", "a file came late"),
        (DAYS[1], True, None, None),
    ]


@pytest.mark.parametrize(
    ("users", "days"), [(0, 90), (5_000, 180), (100_000, 15), (2_000_000, 1)]
)
def test_a_run_takes_fewer_days_of_more_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, users: int, days: int
) -> None:
    tenant = Tenant("sample", state=tmp_path)
    tenant.warehouse.migrate()
    monkeypatch.setattr(tenant.warehouse, "users", lambda: users)
    assert orchestration.days_together(tenant) == days


class RememberingDag:
    """Opens runs, and does nothing else; its parameters are those of Airflow's."""

    def __init__(self) -> None:
        self.tasks: list[object] = []
        self.params: dict[str, str | None] = {"ds": None}

    def test(self, run_conf: dict[str, str | None]) -> SimpleNamespace:
        self.params |= run_conf
        ds, *asked = (self.params[name] for name in ("ds", "since", "by", "reason"))
        orchestration.start_run(ds, None, f"test {ds}", *asked)
        return SimpleNamespace(state="success")


@given(
    st.sets(st.dates(date(2026, 1, 1), date(2026, 2, 28)), min_size=1),
    st.none() | st.dates(date(2026, 1, 1), date(2026, 2, 28)),
    st.integers(1, 12),
)
def test_ranges_hold_each_day_once_and_keep_the_newest_day_first(
    days: set[date], newest: date | None, at_most: int
) -> None:
    ranges = together(list(days), newest, at_most)

    built = [
        first + timedelta(n)
        for first, last in ranges
        for n in range((last - first).days + 1)
    ]
    assert built == sorted(days)
    assert all((last - first).days < at_most for first, last in ranges)
    assert not any(
        newest is not None and first < newest <= last for first, last in ranges
    )
    assert all(last < first for (_, last), (first, _) in pairwise(ranges))


@given(st.lists(st.integers(0, 400_000), min_size=1, max_size=60))
def test_features_build_each_day_once_and_no_more_than_fit(users: list[int]) -> None:
    days = [FIRST + timedelta(days=n) for n in range(len(users))]
    known = dict(zip(days, users, strict=True))

    parts = building.passes(days, users)

    assert [day for part in parts for day in part] == days
    for part in parts:
        rows = sum(known[day] for day in part)
        assert rows <= building._SNAPSHOTS_AT_ONCE + max(known[day] for day in part)
    assert len(parts) <= -(-sum(users) // building._SNAPSHOTS_AT_ONCE) + 1

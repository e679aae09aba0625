"""Tables of versions (type 2 history), corrected by a run for the days that it built.

A version is a stretch of published days on which a row did not change: from
``valid_from`` up to, not including, ``valid_to``, which is null while it holds. What a
run builds tells of its own days; what is published tells of all days up to now. To
publish is to put the one in the place of the other for the days of the run:

- a version that began before the run's days ends with them, at the latest;
- one that goes on after them begins anew with the next published day;
- what was built stands between, and its last versions hold until that next day;
- versions that meet and are equal become one.

So the table is that of all published days' snapshots in their order, whatever the order
of the runs: the same run twice changes nothing, and a later day is never read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

_NEVER = "date '9999-12-31'"


@dataclass(frozen=True)
class Days:
    """The days of a run, and the next published one after them; none for the newest."""

    first: date
    last: date
    next: date | None


def concerned(days: Days) -> str:
    """The published versions that the run can change or continue, as a condition."""
    return f"valid_to is null or valid_to >= date '{days.first}'"


def corrected(published: str, build: str, columns: Sequence[str], days: Days) -> str:
    """A select that takes the place of the concerned versions, for both engines.

    ``published`` and ``build`` are the tables as the engine names them, ``columns`` those
    of the build. The build's versions have no null ``valid_to``: one that holds
    at the end of the run's days ends after them.
    """
    told = [c for c in columns if c not in ("valid_from", "valid_to", "is_current")]
    same = ", ".join(c for c in told if not c.startswith("_"))
    runs = [c for c in told if c.startswith("_")]
    first_runs = [f"min(case when is_start = 1 then {c} end) as {c}" for c in runs]
    pieces = "\nunion all\n".join(_pieces(published, build, ", ".join(told), days))
    return (
        f"with pieces as (\n{pieces}\n), begun as (select *, case when lag(valid_to)"
        f" over (partition by {same} order by valid_from) = valid_from then 0 else 1 end"
        f" as is_start from pieces), numbered as (select *, sum(is_start) over (partition"
        f" by {same} order by valid_from rows between unbounded preceding and current"
        f" row) as version from begun), joined as (select"
        f" {', '.join([same, *first_runs])}, min(valid_from) as valid_from,"
        f" nullif(max(coalesce(valid_to, {_NEVER})), {_NEVER}) as valid_to"
        f" from numbered group by {same}, version)"
        " select *, valid_to is null as is_current from joined"
    )


def _pieces(published: str, build: str, told: str, days: Days) -> list[str]:
    first, last = f"date '{days.first}'", f"date '{days.last}'"
    after = f"date '{days.next}'" if days.next else "cast(null as date)"
    before = (
        f"select {told}, valid_from, least(coalesce(valid_to, {first}), {first})"
        f" as valid_to from {published} where valid_from < {first}"
        f" and ({concerned(days)})"
    )
    built = (
        f"select {told}, valid_from, case when valid_to > {last} then {after}"
        f" else valid_to end as valid_to from {build}"
    )
    if days.next is None:
        return [before, built]
    return [
        before,
        built,
        f"select {told}, greatest(valid_from, {after}) as valid_from, valid_to"
        f" from {published} where valid_to is null or valid_to > {after}",
    ]

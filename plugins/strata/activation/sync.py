"""Bring a CRM to the desired state: send the difference, and only once.

The order of events is what makes a kill harmless:

1. the intent to send a batch is committed to ``sync_log``;
2. the batch is sent;
3. the answer is committed to ledger and log in one transaction.

A process killed before 1 has done nothing. Killed later, it leaves open intents, and
the next start reads those records back before it compares anything: what arrived is
acknowledged, the rest is sent as if for the first time. A connection lost between 2
and 3 is settled the same way, within the run.
"""

import hashlib
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import duckdb

from strata.activation.client import (
    BatchRefusedError,
    ClientUnavailableError,
    CrmClient,
    Outcome,
    Record,
    redacted,
)
from strata.activation.errors import (
    CircuitOpenError,
    ReadBackError,
    StaleRunError,
    SyncInterruptedError,
)
from strata.activation.ledger import Change, Finding, Ledger
from strata.activation.plan import Plan, differs, make_plan, wanted_now
from strata.activation.summary import SyncSummary
from strata.config.activation import Target
from strata.run import Run

Progress = Callable[[str], None]

_LOG = logging.getLogger(__name__)
_COUNTED = {"create": "created", "update": "updated", "clear": "cleared"}


def sync(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    target: Target,
    client: CrmClient,
    *,
    dry_run: bool = False,
    accept_changes: bool = False,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> SyncSummary:
    """Write ``activation.desired`` of ``target`` back to its CRM.

    ``dry_run`` neither calls the client nor writes anything. ``accept_changes`` lets
    more than ``max_changed_share`` of the records change: a person has looked at the
    dry run. Doing it again sends nothing.

    Raises ``StaleRunError`` for a run that is not the newest, ``DesiredStateError``
    for desired rows that make no sense, ``CircuitOpenError`` beyond a bound,
    ``SyncInterruptedError`` when the CRM stops answering and ``ReadBackError`` when
    it does not hold what it acknowledged. What was acknowledged before is kept.
    """
    if not run.is_newest:
        raise StaleRunError(
            f"run {run.run_id} is for {run.ds}, which is not the newest published day: "
            f"it must not write to {target.name}. Sync the newest day instead"
        )
    sending = _Sync(con, run, target, client, sleep, progress)
    if dry_run:
        return sending.preview()
    sending.settle_open_intents()
    plan = make_plan(con, run, target)
    sending.check_changed_share(plan, accept_changes)
    sending.send(plan)
    sending.read_back()
    con.execute("drop table if exists temp.sync_plan")
    return sending.summary()


class _Sync:
    """One sync under way."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        run: Run,
        target: Target,
        client: CrmClient,
        sleep: Callable[[float], None],
        progress: Progress | None,
    ) -> None:
        self._con = con
        self._run = run
        self._target = target
        self._client = client
        self._ledger = Ledger(con, target.name, run.run_id)
        self._sleep = sleep
        self._progress = progress
        self._jitter = random.Random(f"{run.run_id}|{target.name}")
        self._calls = 0
        self._counts: Counter[str] = Counter()
        self._warnings: list[str] = []

    def summary(self) -> SyncSummary:
        """What has been done so far."""
        counts = self._counts
        return SyncSummary(
            self._target.name,
            created=counts["created"],
            updated=counts["updated"],
            cleared=counts["cleared"],
            refused=counts["refused"],
            unchanged=counts["unchanged"],
            held=counts["held"],
            settled=counts["settled"],
            mismatched=counts["mismatched"],
            warnings=tuple(self._warnings),
        )

    def preview(self) -> SyncSummary:
        """What a sync would do, from the warehouse alone."""
        unsettled = len(self._ledger.open_intents())
        if unsettled:
            self._warn(
                f"{unsettled} records have an open intent: a sync reads them back first"
            )
        plan = make_plan(self._con, self._run, self._target)
        if self._changes_too_much(plan):
            self._warn(self._breaker_message(plan))
        self._con.execute("drop table if exists temp.sync_plan")
        return replace(
            self.summary(),
            created=plan.created,
            updated=plan.updated,
            cleared=plan.cleared,
            unchanged=plan.unchanged,
            held=plan.held,
            is_dry_run=True,
            differences=plan.differences,
        )

    # What an earlier run left open

    def settle_open_intents(self) -> None:
        """Find out what became of the sends whose answer nobody heard."""
        keys = self._ledger.open_intents()
        for start in range(0, len(keys), self._target.batch_size):
            chunk = keys[start : start + self._target.batch_size]
            wanted = wanted_now(self._con, self._target, chunk)
            present = self._read(chunk)
            findings = []
            for key in chunk:
                fields = present[key]
                arrived = not differs(self._target, fields, wanted[key])
                self._counts["settled"] += arrived
                findings.append(
                    Finding(
                        key,
                        fields,
                        wanted[key].field_hash if arrived else None,
                        "acked" if arrived else "unknown",
                        "found by a read-back"
                        if arrived
                        else "read back: not what is desired now",
                    )
                )
            self._ledger.settle(findings)

    # Before the send

    def check_changed_share(self, plan: Plan, accept_changes: bool) -> None:
        """Stop where more would change than a day can explain."""
        if self._changes_too_much(plan) and not accept_changes:
            raise CircuitOpenError(self._breaker_message(plan), self.summary())

    def _changes_too_much(self, plan: Plan) -> bool:
        return (
            plan.updated + plan.cleared >= self._target.breakers.min_records
            and plan.changed_share > self._allowed_share
        )

    @property
    def _allowed_share(self) -> float:
        """The bound is a day's: a run of n days leaves (1 - bound)ⁿ untouched."""
        a_day = self._target.breakers.max_changed_share
        return float(1 - (1 - a_day) ** len(self._run.days))

    def _breaker_message(self, plan: Plan) -> str:
        return (
            f"{plan.updated + plan.cleared} of the {plan.standing} records in "
            f"{self._target.name} would change ({plan.changed_share:.0%}, allowed "
            f"{self._allowed_share:.0%}): look at a dry run, and "
            "accept the changes if they are meant"
        )

    # The send

    def send(self, plan: Plan) -> None:
        """Send all changes of ``plan``, batch by batch."""
        self._counts["unchanged"] = plan.unchanged
        self._counts["held"] = plan.held
        self._ledger.resolve_moot()
        done = 0
        self._report(done, plan.to_send)
        for batch in plan.batches(self._target.batch_size):
            self._ledger.begin(batch)
            waiting = [batch]
            while waiting:
                waiting += self._deliver(waiting.pop())
            done += len(batch)
            self._report(done, plan.to_send)

    def _deliver(self, part: list[Change]) -> list[list[Change]]:
        """Send ``part`` until every record has an answer.

        Returns the halves that are to be sent apart, since the CRM refused the whole.
        """
        trouble = ""
        for attempt in range(self._target.retry.max_attempts):
            if attempt:
                self._back_off(attempt - 1)
                part = self._not_arrived(part)
                if not part:
                    return []
            try:
                answers = self._call(part)
            except BatchRefusedError as error:
                if len(part) == 1:
                    self._refuse([(part[0], str(error))])
                    return []
                half = len(part) // 2
                return [part[half:], part[:half]]
            except ClientUnavailableError as error:
                trouble = str(error)
                continue
            part = self._record(part, answers)
            if not part:
                return []
            trouble = "no answer for some of the records"
        raise SyncInterruptedError(self._gave_up(trouble), self.summary())

    def _call(self, part: Sequence[Change]) -> list[Outcome]:
        self._pace()
        identity = [(c.key, c.operation, c.field_hash, c.attempt) for c in part]
        text = json.dumps([self._target.name, self._run.run_id, identity])
        idempotency_key = hashlib.sha256(text.encode()).hexdigest()
        if part[0].operation == "clear":
            return self._client.clear([c.key for c in part], idempotency_key)
        stamp = self._target.stamp_field
        extra = {stamp: self._run.ds.isoformat()} if stamp else {}
        records = [Record(c.key, {**c.fields, **extra}) for c in part]
        return self._client.upsert(records, idempotency_key)

    def _record(
        self, part: Sequence[Change], answers: Sequence[Outcome]
    ) -> list[Change]:
        """Commit the answers; the records that have none."""
        by_key = {answer.key: answer for answer in answers}
        self._acknowledge(
            [c for c in part if c.key in by_key and by_key[c.key].is_acknowledged]
        )
        refused = [
            (c, redacted(reason))
            for c in part
            if c.key in by_key and (reason := by_key[c.key].reason) is not None
        ]
        self._refuse(refused)
        return [c for c in part if c.key not in by_key]

    def _acknowledge(self, changes: Sequence[Change]) -> None:
        if changes:
            self._ledger.acknowledge(changes)
            self._counts.update(_COUNTED[c.operation] for c in changes)

    def _refuse(self, changes: Sequence[tuple[Change, str]]) -> None:
        """Dead-letter records, and stop where too many are refused."""
        if not changes:
            return
        self._ledger.refuse(changes, self._target.refusal_limit)
        self._counts["refused"] += len(changes)
        refused = self._counts["refused"]
        answered = refused + sum(self._counts[name] for name in _COUNTED.values())
        bounds = self._target.breakers
        if (
            refused >= bounds.min_records
            and refused / answered > bounds.max_refused_share
        ):
            raise CircuitOpenError(
                f"{self._target.name} refused {refused} of the first {answered} records "
                f"({refused / answered:.0%}, allowed {bounds.max_refused_share:.0%}), "
                f"the last because of: {changes[-1][1]}",
                self.summary(),
            )

    def _not_arrived(self, part: Sequence[Change]) -> list[Change]:
        """Read back what was sent without an answer; the records still to be sent."""
        present = self._read([c.key for c in part])
        arrived = [c for c in part if _holds(present[c.key], c)]
        self._acknowledge(arrived)
        return [c for c in part if not _holds(present[c.key], c)]

    # After the send

    def read_back(self) -> None:
        """Compare samples of the CRM with the ledger, and correct the ledger.

        One sample is of what this run wrote: a difference there means that the CRM
        did not keep its word. The other is of older records: a difference there means
        that somebody else wrote to our fields; the next run puts it right.
        """
        size = self._target.read_back.sample_size
        broken = self._compare(self._ledger.sample(size, is_of_this_run=True))
        drifted = self._compare(self._ledger.sample(size, is_of_this_run=False))
        self._counts["mismatched"] = broken + drifted
        if drifted:
            self._warn(
                f"{drifted} of up to {size} sampled records of {self._target.name} were "
                "changed by somebody else: the next run writes them again"
            )
        if not broken:
            return
        message = (
            f"{broken} of up to {size} records read back from {self._target.name} do "
            "not hold what it acknowledged: see outcome 'mismatch' in "
            "activation.sync_log"
        )
        if self._target.read_back.on_mismatch == "error":
            raise ReadBackError(message, self.summary())
        self._warn(message)

    def _compare(self, expected: dict[str, dict[str, str]]) -> int:
        present = self._read(list(expected))
        findings = [
            Finding(key, present[key], None, "mismatch", f"differs in {names}")
            for key, fields in expected.items()
            if (names := _differing_names(fields, present[key]))
        ]
        if findings:
            self._ledger.correct(findings)
        return len(findings)

    # Calls

    def _read(self, keys: Sequence[str]) -> dict[str, dict[str, str]]:
        """The compared fields with a value of every key, empty for unknown records."""
        found: dict[str, dict[str, str]] = {}
        for start in range(0, len(keys), self._target.batch_size):
            found |= self._read_batch(keys[start : start + self._target.batch_size])
        compared = self._target.compared_fields
        return {
            key: {n: v for n, v in found.get(key, {}).items() if n in compared}
            for key in keys
        }

    def _read_batch(self, keys: Sequence[str]) -> dict[str, dict[str, str]]:
        trouble = ""
        for attempt in range(self._target.retry.max_attempts):
            if attempt:
                self._back_off(attempt - 1)
            self._pace()
            try:
                return self._client.read(keys)
            except ClientUnavailableError as error:
                trouble = str(error)
        raise SyncInterruptedError(self._gave_up(trouble), self.summary())

    def _pace(self) -> None:
        """Keep to the rate limit without a clock: a full interval between calls."""
        if self._calls and self._target.requests_per_second:
            self._sleep(1.0 / self._target.requests_per_second)
        self._calls += 1

    def _back_off(self, retry: int) -> None:
        bounds = self._target.retry
        longest = min(bounds.max_seconds, bounds.base_seconds * 2.0**retry)
        self._sleep(longest * self._jitter.uniform(0.5, 1.0))

    def _gave_up(self, trouble: str) -> str:
        return (
            f"{self._target.name} did not answer {self._target.retry.max_attempts} "
            f"times: {trouble}. Start again when it is back: what was under way is "
            "settled then"
        )

    def _report(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(f"{self._target.name}: {done} of {total} records")

    def _warn(self, message: str) -> None:
        self._warnings.append(message)
        _LOG.warning(message)


def _holds(present: dict[str, str], change: Change) -> bool:
    if change.operation == "clear":
        return not present
    return all(present.get(name) == value for name, value in change.fields.items())


def _differing_names(expected: dict[str, str], present: dict[str, str]) -> str:
    names = {*expected, *present}
    return ", ".join(sorted(n for n in names if expected.get(n) != present.get(n)))

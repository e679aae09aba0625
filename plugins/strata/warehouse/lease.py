"""One writer at a time: a lock file that names its owner.

Airflow's pools do not apply to ``dag.test()`` nor to the command line, so the guard
stands where everybody passes: at the warehouse. The operating system drops the lock
when its owner dies, however it dies.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from strata import clock

_POLL_SECONDS = 0.1


class WarehouseBusyError(RuntimeError):
    """Somebody else holds the warehouse. ``owner`` says who, in words."""

    def __init__(self, told: str, owner: str) -> None:
        super().__init__(told)
        self.owner = owner


class Lease:
    """An exclusive hold on one thing, for processes and threads alike.

    Re-entrant within the thread that has it, so that a stage may call another
    function that takes it too.
    """

    _held: dict[tuple[Path, int], int] = {}  # noqa: RUF012 - process-wide on purpose

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_ours(self) -> bool:
        """Whether a thread of this process has it."""
        return any(path == self.path.resolve() for path, _ in self._held)

    @contextlib.contextmanager
    def hold(self, purpose: str, wait_seconds: float = 600.0) -> Iterator[None]:
        """Hold the lease while the block runs.

        Raises ``WarehouseBusyError``, naming the owner, when it is not free within
        ``wait_seconds``.
        """
        key = (self.path.resolve(), threading.get_ident())
        if self._held.get(key):
            self._held[key] += 1
            try:
                yield
            finally:
                self._held[key] -= 1
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._acquire(descriptor, wait_seconds)
            owner = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "purpose": purpose,
                "since": f"{clock.now():%Y-%m-%d %H:%M:%S} UTC",
            }
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(owner).encode(), 0)
            self._held[key] = 1
            try:
                yield
            finally:
                self._held.pop(key, None)
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int, wait_seconds: float) -> None:
        attempts = max(1, int(wait_seconds / _POLL_SECONDS))
        for attempt in range(attempts):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if attempt + 1 < attempts:
                    time.sleep(_POLL_SECONDS)
            else:
                return
        owner = self._owner(descriptor)
        raise WarehouseBusyError(
            f"the warehouse beside {self.path} is in use by {owner}: wait for it to "
            "end, or stop it; read the published copy under serving/ meanwhile",
            owner,
        )

    @staticmethod
    def _owner(descriptor: int) -> str:
        try:
            owner = json.loads(os.pread(descriptor, 4096, 0))
        except ValueError:
            return "another process"
        return (
            f"process {owner['pid']} ({owner['purpose']}, on {owner['host']} since "
            f"{owner['since']})"
        )

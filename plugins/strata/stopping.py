"""SIGTERM and Ctrl-C stop a run in this process alike, whoever has the handlers.

Airflow sets a handler of its own for SIGTERM before each task, which calls the task's
``on_kill`` and otherwise goes on. What a signal raises may also be caught on its way,
as dbt and DuckDB do. So a run asks before each step whether it was told to stop.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_NUMBERS = (signal.SIGTERM, signal.SIGINT)
_heard: list[signal.Signals] = []


class StoppedError(KeyboardInterrupt):
    """A signal ends the run. Like Ctrl-C it passes those who catch errors only."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """While the block runs, SIGTERM and SIGINT raise ``StoppedError`` in it.

    Outside the main thread, which alone hears signals, nothing is changed.
    """
    _heard.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _stop) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def on_kill() -> None:
    """What a task of a DAG in this process does when Airflow hears SIGTERM for it."""
    _stop(signal.SIGTERM)


def stop_if_told() -> None:
    """Raise ``StoppedError`` where a signal came and what it raised was caught."""
    if _heard:
        raise StoppedError(_told())


def cause(otherwise: str) -> str:
    """What ended a step: the signal where one came, else what it is given."""
    return _told() if _heard else otherwise


def exit_code(otherwise: int) -> int:
    """128 and the number of the signal where one came, as shells have it."""
    return 128 + _heard[0] if _heard else otherwise


def _stop(number: int, _: FrameType | None = None) -> None:
    _heard.append(signal.Signals(number))
    raise StoppedError(_told())


def _told() -> str:
    return f"stopped by {_heard[0].name}; run the day again"

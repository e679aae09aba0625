"""What a CRM client must do, and how it says what happened."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

_EMAIL = re.compile(r"[^\s@'\"<>]+@[^\s@'\"<>]+")
_LONG_NUMBER = re.compile(r"\+?\d(?:[\d -]{5,})\d")
_URL_SECRET = re.compile(r"://\S*@")
_REASON_LENGTH = 200


@dataclass(frozen=True)
class Record:
    """One CRM record to write: its key there, and the fields to set.

    Values are text: numbers as the warehouse wrote them, ``true`` and ``false``. A
    field that is absent is left as it is.
    """

    key: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """The CRM's answer for one record; ``reason`` is why it was refused, else None."""

    key: str
    reason: str | None = None

    @property
    def is_acknowledged(self) -> bool:
        """Whether the record now holds what was sent."""
        return self.reason is None


class BatchRefusedError(Exception):
    """The CRM took nothing of the call and does not say which record is to blame."""

    def __init__(self, reason: str) -> None:
        super().__init__(redacted(reason))


class ClientUnavailableError(Exception):
    """No answer: the call may have been carried out, in whole, in part or not at all."""

    def __init__(self, reason: str) -> None:
        super().__init__(redacted(reason))


class CrmClient(Protocol):
    """One CRM, as narrow as every CRM can be.

    ``upsert`` and ``clear`` answer once for each record. Both may raise
    ``BatchRefusedError`` or ``ClientUnavailableError``. Sending again what a record
    holds already must not change it.
    """

    def upsert(self, records: Sequence[Record], idempotency_key: str) -> list[Outcome]:
        """Set the given fields of the records, making those that are not there."""
        ...

    def clear(self, keys: Sequence[str], idempotency_key: str) -> list[Outcome]:
        """Empty every owned field of the records. A record that is gone is clear."""
        ...

    def read(self, keys: Sequence[str]) -> dict[str, dict[str, str]]:
        """The owned fields that hold a value, by key; unknown keys are left out."""
        ...


def redacted(text: str) -> str:
    """A foreign message that is safe to keep: short, one line, without contact values.

    CRMs like to quote the record in their complaint, and drivers the URL.
    """
    line = " ".join(text.split())
    for pattern, mask in (
        (_URL_SECRET, "://<secret>@"),
        (_EMAIL, "<address>"),
        (_LONG_NUMBER, "<number>"),
    ):
        line = pattern.sub(mask, line)
    return line[:_REASON_LENGTH] or "no reason given"

"""How numbers, times and free text read in the page and in the terminal."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

NONE = "–"
_GAP = "\u00a0"  # a number and its unit stay on one line

Number = int | float | Decimal

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.\-+])\+?\d{10,15}(?![\w\-]|\.\d)")


def number(value: Number | None, decimals: int = 0) -> str:
    """``1234567`` as ``1,234,567``; a dash where there is no value."""
    return NONE if value is None else f"{value:,.{decimals}f}"


def signed(value: Number | None) -> str:
    """A change, with its sign: ``+1,204``, ``−31``, ``±0``."""
    if value is None:
        return NONE
    if value == 0:
        return "±0"
    return f"{'+' if value > 0 else '−'}{abs(value):,.0f}"


def share(part: Number | None, whole: Number | None) -> str:
    """``part`` of ``whole`` in per cent, to one decimal; a dash for a part of nothing.

    A part that is there is never shown as 0 %, nor an incomplete one as 100 %.
    """
    if part is None or not whole:
        return NONE
    ratio = float(part) / float(whole)
    if 0 < ratio < 0.001:
        return f"<{_GAP}0.1{_GAP}%"
    if 0.999 < ratio < 1:
        return f">{_GAP}99.9{_GAP}%"
    return f"{100 * ratio:.1f}{_GAP}%"


def duration(seconds: float | None) -> str:
    """Seconds as ``42.0 s``, ``3 min 07 s`` or ``2 h 05 min``."""
    if seconds is None:
        return NONE
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def short_date(day: date) -> str:
    """``31 Oct``."""
    return f"{day.day} {day:%b}"


def long_date(day: date) -> str:
    """``Saturday 31 October 2026``."""
    return f"{day:%A} {day.day} {day:%B} {day.year}"


def local_time(moment: datetime | None, timezone: str) -> str:
    """A naive UTC ``moment`` on the tenant's clock: ``2026-11-01 01:30:00``."""
    if moment is None:
        return NONE
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone))
    return f"{local:%Y-%m-%d %H:%M:%S}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 check``, ``1,204 checks``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def words(name: str | None) -> str:
    """A code name as a person reads it: ``won_back`` as ``won back``."""
    return NONE if not name else name.replace("_", " ")


def masked(text: str | None) -> str | None:
    """Free text with whatever looks like an e-mail address or a phone number hidden.

    Errors and refusals come from other systems: they ought to hold no personal data,
    and the report does not rely on it.
    """
    if text is None:
        return None
    return _PHONE.sub("[number hidden]", _EMAIL.sub("[address hidden]", text))

"""What is compared of two records, level by level, the best level first.

A comparison is used where its fields are known. Its levels are conditions in SQL over
``<column>_l`` and ``<column>_r`` of the table ``records``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Level:
    """One degree of agreement; ``frequency_of`` is a column whose rare values count more."""

    name: str
    condition: str
    frequency_of: str | None = None


@dataclass(frozen=True)
class Comparison:
    """One question about two records. ``needs`` are the fields it cannot do without."""

    name: str
    needs: tuple[str, ...]
    unknown: str
    levels: tuple[Level, ...]


def _same(column: str) -> str:
    return f"{column}_l = {column}_r"


def _like(left: str, right: str, least: float) -> str:
    return f"jaro_winkler_similarity({left}, {right}) >= {least}"


def _typos(column: str, most: int) -> str:
    return f"damerau_levenshtein({column}_l, {column}_r) <= {most}"


def _either_unknown(column: str) -> str:
    return f"{column}_l is null or {column}_r is null"


def _name(part: str, other: str) -> Comparison:
    """A part of the name, also where it stands in the place of the other part."""
    sound, others = f"{part}_sound", f"{other}_sound"
    return Comparison(
        part,
        (part,),
        _either_unknown(part),
        (
            Level("same", _same(part), part),
            Level("sounds the same", _same(sound)),
            Level(
                "elsewhere in the name",
                f"list_contains(words_r, {sound}_l) or list_contains(words_l, {sound}_r)",
            ),
            Level("alike", _like(f"{sound}_l", f"{sound}_r", 0.9)),
            Level(
                "like the other part",
                f"{_like(f'{sound}_l', f'{others}_r', 0.88)}"
                f" or {_like(f'{sound}_r', f'{others}_l', 0.88)}",
            ),
            Level("a little alike", _like(f"{sound}_l", f"{sound}_r", 0.75)),
        ),
    )


COMPARISONS: Final = (
    _name("given", "family"),
    _name("family", "given"),
    Comparison(
        "other_names",
        ("others",),
        "len(others_l) = 0 or len(others_r) = 0",
        (
            Level("two shared", "len(list_intersect(others_l, others_r)) >= 2"),
            Level("one shared", "list_has_any(others_l, others_r)"),
        ),
    ),
    Comparison(
        "born_on",
        ("born_on",),
        _either_unknown("born_on"),
        (
            Level("same", _same("born_on"), "born_on"),
            Level("a typing error", _typos("born_on", 1)),
            Level("two typing errors", _typos("born_on", 2)),
            Level("same year", "left(born_on_l, 4) = left(born_on_r, 4)"),
        ),
    ),
    Comparison(
        "whereabouts",
        ("place", "postcode"),
        "coalesce(postcode_l || postcode_r, place_l || place_r) is null",
        (
            Level("same postcode", _same("postcode"), "postcode"),
            Level("a typing error", _typos("postcode", 1)),
            Level("same district", _same("district")),
            Level("same place", _same("place"), "place"),
            Level("place alike", _like("place_l", "place_r", 0.88)),
        ),
    ),
    Comparison(
        "place",
        ("place",),
        _either_unknown("place"),
        (
            Level("same", _same("place"), "place"),
            Level("alike", _like("place_l", "place_r", 0.88)),
        ),
    ),
    Comparison(
        "postcode",
        ("postcode",),
        _either_unknown("postcode"),
        (
            Level("same", _same("postcode"), "postcode"),
            Level("a typing error", _typos("postcode", 1)),
            Level("same district", _same("district")),
        ),
    ),
    Comparison(
        "street",
        ("street",),
        _either_unknown("street"),
        (
            Level("same house", "street_l = street_r and house_l = house_r"),
            Level("same street", _same("street"), "street"),
            Level("alike", _like("street_l", "street_r", 0.9)),
        ),
    ),
    Comparison(
        "phone",
        ("phone",),
        _either_unknown("phone"),
        (
            Level("same end", "right(phone_l, 8) = right(phone_r, 8)"),
            Level("a typing error", "damerau_levenshtein(phone_l, phone_r) <= 1"),
        ),
    ),
    Comparison(
        "email",
        ("email",),
        _either_unknown("email"),
        (
            Level("same", _same("email")),
            Level("same mailbox", _same("mailbox")),
            Level("typing errors", _typos("email", 3)),
            Level("typing errors in the mailbox", _typos("mailbox", 1)),
        ),
    ),
    Comparison(
        "number",
        ("number",),
        _either_unknown("number"),
        (
            Level("same", _same("number")),
            Level("a typing error", _typos("number", 1)),
            Level("two typing errors", _typos("number", 2)),
        ),
    ),
    Comparison(
        "occupation",
        ("occupation",),
        _either_unknown("occupation"),
        (Level("same", _same("occupation"), "occupation"),),
    ),
)


def comparisons_for(fields: Iterable[str]) -> tuple[Comparison, ...]:
    """The comparisons that ``fields`` allow, each field used once."""
    known = set(fields)
    chosen: list[Comparison] = []
    for comparison in COMPARISONS:
        if known.issuperset(comparison.needs):
            chosen.append(comparison)
            if len(comparison.needs) > 1:
                known.difference_update(comparison.needs)
    return tuple(chosen)


def frequency_columns(comparisons: Sequence[Comparison]) -> list[str]:
    """The columns whose rare values count more, in order."""
    levels = (level for comparison in comparisons for level in comparison.levels)
    return list(dict.fromkeys(x.frequency_of for x in levels if x.frequency_of))

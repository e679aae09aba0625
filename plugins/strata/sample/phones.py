"""How a phone number is written down, well or badly."""

from collections.abc import Iterable
from enum import IntEnum

import numpy as np

from strata.config.sample import Dirt
from strata.sample.chance import Ints, pick
from strata.sample.vocabulary import DENYLISTED_PHONE


class Style(IntEnum):
    """The ways in which the systems write a mobile number."""

    PLAIN = 0
    PREFIXED = 1
    DASHED = 2
    SPACED = 3
    PADDED = 4
    MASKED = 5
    DENYLISTED = 6
    MISSING = 7


def draw_styles(
    rng: np.random.Generator,
    size: int,
    dirt: Dirt,
    missing: float,
    masked: float = 0.0,
) -> Ints:
    """A ``Style`` each; ``missing`` and ``masked`` are shares of all."""
    odd = dirt.odd_phones / 4
    known = max(0.0, 1 - missing - masked - dirt.denylisted_phones - dirt.odd_phones)
    return pick(
        rng,
        (known, odd, odd, odd, odd, masked, dirt.denylisted_phones, missing),
        size,
    )


def write_phones(numbers: Iterable[str], styles: Ints) -> list[str | None]:
    """Eleven-digit numbers as the systems write them; None where none is given."""
    return [
        write_phone(number, Style(style))
        for number, style in zip(numbers, styles.tolist(), strict=True)
    ]


def write_phone(number: str, style: Style) -> str | None:
    """One eleven-digit number in a style."""
    match style:
        case Style.PREFIXED:
            return f"+86 {number}"
        case Style.DASHED:
            return f"{number[:3]}-{number[3:7]}-{number[7:]}"
        case Style.SPACED:
            return f"{number[:3]} {number[3:7]} {number[7:]}"
        case Style.PADDED:
            return f" {number} "
        case Style.MASKED:
            return f"{number[:3]}****{number[7:]}"
        case Style.DENYLISTED:
            return DENYLISTED_PHONE
        case Style.MISSING:
            return None
        case Style.PLAIN:
            return number

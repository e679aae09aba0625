"""A day of the sample world, as everything that happens on it sees it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from strata.config.sample import SampleConfig
from strata.sample.chance import Floats, Ints, Stream, generator
from strata.sample.keys import Keys, Texts
from strata.sample.seasons import campaign
from strata.sample.traits import Population
from strata.sample.writing import local_times, utc_times

_Drawn = TypeVar("_Drawn")
_KEPT = 40  # days


class Memory:
    """What was drawn for a day and is asked for again on the days after it.

    It saves time and changes nothing: what is not remembered is drawn again, alike.
    """

    def __init__(self) -> None:
        self._drawn: dict[tuple[str, int], Any] = {}

    def recall(self, what: str, day: int, draw: Callable[[], _Drawn]) -> _Drawn:
        """What was drawn for the day under this name; else draw it now."""
        if (what, day) not in self._drawn:
            if len(self._drawn) > 4 * _KEPT:
                old = [key for key in self._drawn if key[1] < day - _KEPT]
                for key in old:
                    del self._drawn[key]
            self._drawn[what, day] = draw()
        drawn: _Drawn = self._drawn[what, day]
        return drawn


@dataclass(frozen=True)
class Today:
    """One day (its number) and the persons who have appeared by its end.

    ``counts`` are the persons by the end of each day from 0 to today.
    """

    config: SampleConfig
    persons: Population
    keys: Keys
    number: int
    counts: Sequence[int]
    memory: Memory = field(default_factory=Memory)

    @property
    def day(self) -> date:
        """The local date."""
        return self.config.day(self.number)

    @property
    def campaign(self) -> str:
        """The campaign that runs today."""
        return campaign(self.day)

    @cached_property
    def phone(self) -> Texts:
        """Everybody's phone today, eleven digits."""
        return self.keys.phone(self.persons, self.number)

    @cached_property
    def city(self) -> Ints:
        """Everybody's city today, as index of the vocabulary."""
        traits = self.persons.profile
        moved = traits.moves_on <= self.number
        return np.where(moved, traits.next_city, traits.city)

    @cached_property
    def liveliness(self) -> Floats:
        """Everybody's factor on all rates today."""
        return self.persons.liveliness(self.number)

    def earlier(self, number: int) -> "Today":
        """An earlier day, or today."""
        if number == self.number:
            return self
        return Today(
            self.config,
            self.persons.first(self.counts[number]),
            self.keys,
            number,
            self.counts,
            self.memory,
        )

    def recalled(
        self, what: str, number: int, draw: Callable[["Today"], _Drawn]
    ) -> _Drawn:
        """What is drawn for today or an earlier day, remembered under a name."""
        return self.memory.recall(what, number, lambda: draw(self.earlier(number)))

    def rng(self, stream: Stream) -> np.random.Generator:
        """Today's generator for one purpose."""
        return generator(self.config.seed, stream, self.number)

    def local(self, seconds: Ints, after: Ints | int = 0) -> list[str]:
        """Local times: seconds of the day, ``after`` days from today."""
        return local_times(self._first_day, self.number + after, seconds)

    def utc(self, seconds: Ints, after: Ints | int = 0) -> list[str]:
        """The same moments in UTC."""
        return utc_times(self._first_day, self.number + after, seconds)

    @property
    def _first_day(self) -> int:
        return int(np.datetime64(self.config.first_day, "D").astype(np.int64))

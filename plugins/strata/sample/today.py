"""A day of the sample world, as everything that happens on it sees it."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from strata.config.sample import SampleConfig
from strata.sample.chance import Ints, Stream, generator
from strata.sample.keys import Keys, Texts
from strata.sample.population import Population
from strata.sample.seasons import campaign
from strata.sample.writing import local_times, utc_times


@dataclass(frozen=True)
class Today:
    """One day (its number) and the persons who have appeared by its end."""

    config: SampleConfig
    persons: Population
    keys: Keys
    number: int

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

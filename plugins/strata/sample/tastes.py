"""Which categories a person likes: some go together, in a ring.

Who likes one takes mostly to the one after it, and then to the one after that.
"""

import numpy as np

from strata.sample import vocabulary
from strata.sample.chance import Ints, pick
from strata.sample.traits import Population

_AFTER = np.array(
    [
        vocabulary.CATEGORIES.index(vocabulary.GOES_WITH[name])
        for name in vocabulary.CATEGORIES
    ]
)


def second_favourites(
    favourite: Ints, anything: Ints, rng: np.random.Generator
) -> Ints:
    """The category after the favourite for ``GOES_TOGETHER`` of persons, else any."""
    goes_along = rng.random(len(favourite)) < vocabulary.GOES_TOGETHER
    return np.where(goes_along, _AFTER[favourite], anything)


def liked_categories(
    persons: Population, person: Ints, rng: np.random.Generator
) -> Ints:
    """The favourite in 55 %, the second in 20 %, the one after it in 15 %, else any."""
    draw = rng.random(len(person))
    anything = pick(rng, vocabulary.CATEGORY_WEIGHTS, len(person))
    second = persons.behaviour.second_favourite[person]
    liked = np.where(draw < 0.90, _AFTER[second], anything)
    liked = np.where(draw < 0.75, second, liked)
    return np.where(draw < 0.55, persons.behaviour.favourite[person], liked)

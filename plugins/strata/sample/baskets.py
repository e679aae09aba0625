"""What is in a purchase: its lines, their prices and costs."""

from dataclasses import dataclass

import numpy as np

from strata.sample import vocabulary
from strata.sample.chance import Ints
from strata.sample.tastes import liked_categories
from strata.sample.traits import Population
from strata.sample.writing import amounts, texts


@dataclass(frozen=True)
class Baskets:
    """Lines of some purchases; ``purchase`` is the index of a line's purchase.

    Money is in cents. A line's discount is an amount for the whole line, its unit
    price the price before it, its cost that of one piece.
    """

    purchase: Ints
    line_no: Ints
    category: Ints
    sku: list[str]
    quantity: Ints
    unit_cents: Ints
    discount_cents: Ints
    cost_cents: Ints

    @property
    def net_cents(self) -> Ints:
        """What was paid for a line."""
        return self.quantity * self.unit_cents - self.discount_cents

    def totals(self, purchases: int) -> Ints:
        """What was paid for each purchase."""
        sums = np.bincount(self.purchase, self.net_cents, purchases)
        return sums.astype(np.int64)

    def columns_of(self, ids: list[str]) -> list[list[str]]:
        """The lines as store and tills write them; ``ids`` are the purchases'."""
        names = vocabulary.CATEGORIES
        return [
            [ids[purchase] for purchase in self.purchase.tolist()],
            texts(self.line_no.tolist()),
            self.sku,
            [names[c] for c in self.category.tolist()],
            texts(self.quantity.tolist()),
            amounts(self.unit_cents),
            amounts(self.discount_cents),
            amounts(self.cost_cents),
        ]


def fill(persons: Population, buyers: Ints, rng: np.random.Generator) -> Baskets:
    """A basket for each buyer: a gamma distributed total (shape 4), split into lines.

    Costs follow the category's margin.
    """
    traits = persons.behaviour
    total = traits.mean_spend[buyers] * rng.gamma(4.0, 0.25, len(buyers))
    counts = 1 + np.minimum(rng.poisson(0.8, len(buyers)), 5)
    purchase = np.repeat(np.arange(len(buyers)), counts)
    size, person = len(purchase), buyers[purchase]
    parts = rng.gamma(2.0, 1.0, size)
    parts = parts / np.bincount(purchase, parts, len(buyers))[purchase]
    category = liked_categories(persons, person, rng)
    quantity = 1 + np.minimum(rng.poisson(0.25, size), 4)
    unit_cents = (total[purchase] * parts / quantity * 100).astype(np.int64)
    unit_cents = np.maximum(unit_cents, 100)
    is_cut = rng.random(size) < traits.discount_affinity[person]
    discount = np.where(is_cut, rng.choice((0.05, 0.1, 0.2, 0.3), size), 0.0)
    margin = np.asarray(vocabulary.CATEGORY_MARGINS)[category]
    cost = unit_cents * (1 - margin) * rng.uniform(0.9, 1.1, size)
    return Baskets(
        purchase=purchase,
        line_no=np.arange(size) - np.repeat(np.cumsum(counts) - counts, counts) + 1,
        category=category,
        sku=_skus(category, unit_cents, rng),
        quantity=quantity,
        unit_cents=unit_cents,
        discount_cents=(quantity * unit_cents * discount).astype(np.int64),
        cost_cents=cost.astype(np.int64),
    )


def _skus(category: Ints, unit_cents: Ints, rng: np.random.Generator) -> list[str]:
    """An article number names category and price band, so that a sku has a price."""
    band = np.minimum(np.log(unit_cents) * 5, 99).astype(np.int64)
    variant = rng.integers(1, 6, len(category))
    numbers = zip(category.tolist(), band.tolist(), variant.tolist(), strict=True)
    return [f"{vocabulary.CATEGORIES[c][:3].upper()}-{b:02d}{v}" for c, b, v in numbers]

"""The purchases of a day as those see them who follow up: points, reviews, tickets."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, Self

import numpy as np

from strata.sample.chance import Bools, Ints


@dataclass(frozen=True)
class Sales:
    """An element a purchase. ``completed_after`` is in days, -1 where it never is."""

    ids: list[str]
    buyers: Ints
    is_online: Bools
    account: list[str]  # the buyer number online; empty at a till
    sku: list[str]  # of the first line
    category: Ints
    net_cents: Ints
    bought_at: Ints  # seconds of the day
    completed_after: Ints
    is_refunded: Bools
    cause: Ints

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Several sets of purchases, one after the other."""
        columns: dict[str, Any] = {}
        for name in (f.name for f in fields(cls)):
            values = [getattr(part, name) for part in parts]
            is_list = isinstance(values[0], list)
            columns[name] = list(chain(*values)) if is_list else np.concatenate(values)
        return cls(**columns)

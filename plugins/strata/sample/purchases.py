"""Who buys on a day, and where."""

import numpy as np

from strata.sample.chance import Stream
from strata.sample.entities import Batch
from strata.sample.orders import ordered
from strata.sample.receipts import sold
from strata.sample.seasons import orders_factor
from strata.sample.today import Today


def purchases(today: Today) -> list[Batch]:
    """Everything that the purchases of one day bring about, clean, by arrival.

    What follows from a purchase (its next status, a refund, a return) is drawn with
    it and arrives on a later day.
    """
    rng = today.rng(Stream.PURCHASES)
    persons = today.persons
    online = persons.membership.store_day <= today.number
    in_shops = persons.membership.pos_day <= today.number
    rate = persons.behaviour.order_rate * persons.liveliness(today.number)
    rate = rate * orders_factor(today.day) * (online | in_shops)
    buyers = rng.permutation(np.repeat(np.arange(len(persons)), rng.poisson(rate)))
    share = np.where(in_shops, persons.membership.store_share, 1.0) * online
    is_online = rng.random(len(buyers)) < share[buyers]
    return [
        *ordered(today, buyers[is_online], rng),
        *sold(today, buyers[~is_online], rng),
    ]

"""The app's register of devices: which phone it is, and whose account used it last."""

import numpy as np

from strata.sample import vocabulary
from strata.sample.chance import NEVER, Bools, Ints, Stream
from strata.sample.entities import APP_DEVICES, Batch, Row
from strata.sample.faults import lateness
from strata.sample.today import Today

_SPELLINGS = (str.upper, str.lower, "  {} ".format)


def app_devices(today: Today) -> list[Batch]:
    """New and changed devices of the app.

    A device comes when its person joins, the second one up to three months later. Some
    come without an account, which a later version tells; some come again for another
    reason. All of it follows from the digits that belong to the device, and how late it
    is from a generator of its own: what else happens does not depend on it.
    """
    membership, number = today.persons.membership, today.number
    marks = today.keys.device_marks[: len(today.persons)]
    joined = np.stack([membership.app_day, membership.app_day], axis=1)
    joined[:, 1] += marks[:, 1] // 100 % 90
    joined[~membership.has_second_device, 1] = NEVER
    # A guest on the phone of somebody else changes nothing in the register.
    joined[membership.is_guest & (today.persons.contact.device_of >= 0), 0] = NEVER
    joined = np.minimum(joined, NEVER)
    came, batch = np.maximum(joined, 0), Batch(APP_DEVICES)
    again = _comes_again(came, marks)
    for person, column in np.argwhere((came == number) | (again == number)).tolist():
        is_new = bool(came[person, column] == number)
        after = int(joined[person, column]) - number if is_new else 0
        batch.rows.append(_row(today, person, column, is_new, after))
    rng, size = today.rng(Stream.DEVICES), len(batch.rows)
    batch.late = lateness(rng, size, today.config.dirt).tolist()
    batch.arrivals = [number + late for late in batch.late]
    return [batch]


def _is_nameless_first(marks: Ints) -> Bools:
    is_nameless: Bools = marks % 100 < 8
    return is_nameless


def _comes_again(came: Ints, marks: Ints) -> Ints:
    """The day of the second version: soon with an account, for others at any time."""
    is_nameless = _is_nameless_first(marks)
    draw = marks // 10_000
    lag = np.where(is_nameless, 1 + draw % 20, 20 + draw % 280)
    comes = is_nameless | (marks // 10_000_000 % 100 < 35)
    return np.where(comes & (came < NEVER), came + lag, NEVER)


def _row(today: Today, person: int, column: int, is_new: bool, after: int) -> Row:
    keys, mark = today.keys, today.keys.device_marks[person, column]
    is_ios = bool(keys.device_is_ios[person, column])
    is_nameless = bool(today.persons.membership.is_guest[person]) or (
        is_new and bool(_is_nameless_first(mark))
    )
    seconds = np.array([9 * 3600 + (person * 2 + column) * 6_151 % (12 * 3600)])
    return (
        str(keys.device_ids[person, column]),
        None if is_nameless else str(keys.app_user_id[person]),
        _model(is_ios, int(mark), is_new, _means(today, person)),
        "iOS" if is_ios else "Android",
        today.utc(seconds, after)[0],
    )


def _means(today: Today, person: int) -> float:
    """From 0 to 1: a half has who spends the mean basket."""
    spend = float(today.persons.behaviour.mean_spend[person])
    return spend / (spend + today.config.behaviour.mean_basket)


def _model(is_ios: bool, mark: int, is_new: bool, means: float) -> str | None:
    """The model as this version writes it: mostly well, else in another way or not.

    Half chance and half ``means``: who spends more has a dearer one.
    """
    chance = mark // 10**9 % 1000
    models = vocabulary.IPHONES if is_ios else vocabulary.ANDROIDS
    model = models[int((chance / 1000 + means) / 2 * len(models))]
    if not is_ios and chance % 25 == 0:
        model = vocabulary.NO_PHONES[chance // 25 % len(vocabulary.NO_PHONES)]
    draw = mark // (10**12 if is_new else 10**14) % 100
    if draw < 3:
        return None if draw else ""
    if draw < 12:
        return _SPELLINGS[draw % 3](model)
    return model

"""What ties persons together: families, shops, numbers given up, and invitations.

A tie of a person depends on those who came before alone, so that the population of an
early day stays the first part of a later one.
"""

import numpy as np

from strata.config.sample import SampleConfig
from strata.sample.traits import Population


def tie(config: SampleConfig, persons: Population) -> None:
    """Settle the candidates for shared and recycled contacts, in place.

    A family shares the phone of the first of a chain, with surname and city. A shop's
    phone belongs to nobody. A number that somebody gave up goes to one newcomer at
    most, and only where nobody shared it. An inviter is a member by then.
    """
    _follow(persons.contact.phone_of)
    _follow(persons.contact.device_of)
    _share_phones(config, persons)
    _invite(persons)


def _follow(owners: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    """Follow each partner to the person whose the phone or device first was.

    A partner always appeared earlier, so one pass in order is enough.
    """
    for person in np.flatnonzero(owners >= 0):
        owner = owners[owners[person]]
        if owner >= 0:
            owners[person] = owner


def _share_phones(config: SampleConfig, persons: Population) -> None:
    contact, profile = persons.contact, persons.profile
    contact.phone_of[contact.shop_of >= 0] = -1
    contact.recycled_from[contact.shop_of >= 0] = -1
    numbers = _GivenUp(config, persons)
    chosen = (contact.phone_of >= 0) | (contact.recycled_from >= 0)
    for person in np.flatnonzero(chosen).tolist():
        owner = int(contact.phone_of[person])
        if owner >= 0 and (owner in numbers.taken or contact.shop_of[owner] >= 0):
            owner = contact.phone_of[person] = -1
        if owner >= 0:
            numbers.shared.add(owner)
            contact.recycled_from[person] = -1
            profile.surname[person] = profile.surname[owner]
            profile.foreign[person] = profile.foreign[owner]
            profile.city[person] = profile.city[owner]
        elif contact.recycled_from[person] >= 0:
            contact.recycled_from[person] = numbers.take(person)


class _GivenUp:
    """Numbers that nobody has any more, as one person after the other asks."""

    def __init__(self, config: SampleConfig, persons: Population) -> None:
        self.taken, self.shared = set[int](), set[int]()
        self._persons = persons
        self._silent = config.dirt.recycled_after_days
        self._order = np.argsort(persons.contact.phone_changes_on, kind="stable")
        self._seen, self._free = 0, list[int]()

    def take(self, person: int) -> int:
        """Whose number a newcomer gets; -1 where none is free."""
        contact = self._persons.contact
        until = int(self._persons.profile.appeared[person]) - self._silent
        while (
            self._seen < len(self._order)
            and contact.phone_changes_on[self._order[self._seen]] <= until
        ):
            self._free.append(int(self._order[self._seen]))
            self._seen += 1
        while self._free:
            number = self._free.pop(person % len(self._free))
            is_own = contact.phone_of[number] < 0 and contact.shop_of[number] < 0
            was_given = contact.recycled_from[number] >= 0
            if is_own and not was_given and number not in self.shared:
                self.taken.add(number)
                return number
        return -1


def _invite(persons: Population) -> None:
    membership, contact = persons.membership, persons.contact
    asked = np.flatnonzero(contact.invited_by >= 0)
    by = contact.invited_by[asked]
    joined = persons.profile.appeared[asked]
    knows = (membership.member_day[by] <= joined) & (
        persons.behaviour.dropout_day[by] > joined
    )
    contact.invited_by[asked[~knows]] = -1

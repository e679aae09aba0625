"""The keys, names and contact values by which the systems know the persons.

All are functions of the seed and the person's number; keys are scattered over their
range, so that neither order nor value tells who a person is.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from strata.config.sample import SampleConfig
from strata.sample import vocabulary
from strata.sample.chance import Bools, Ints, Stream, generator
from strata.sample.phones import Style, write_phone
from strata.sample.traits import Population

Texts: TypeAlias = npt.NDArray[np.object_]

_SPREAD = 38_654_707  # shares no factor with 10, so it scatters one to one
_DIGITS = 100_000_000
_SHOPS = 60_000_000  # slots of phones that belong to no person
_STRANGERS = 70_000_000
_COOKIE_DAYS = 120
_COOKIES_A_PERSON = 1_000


@dataclass(frozen=True)
class Keys:
    """Texts, an element a person; two columns where a person may have two."""

    person_id: Texts
    name: Texts
    email: Texts
    customer_ids: Texts  # two columns: the second where the CRM has a person twice
    member_no: Texts
    consent_ids: Texts  # six columns: profiling and marketing, three each
    unionid: Texts
    openid: Texts
    external_userid: Texts
    social_id: Texts
    app_user_id: Texts
    buyer_ids: Texts
    device_ids: Texts
    device_is_ios: Bools  # two columns, as device_ids
    device_marks: Ints  # two columns: digits that belong to the device
    first_phone: Texts
    second_phone: Texts
    cookie_seed: int

    def phone(self, persons: Population, day: int) -> Texts:
        """Everybody's phone (eleven digits) on a day."""
        changed = persons.contact.phone_changes_on[: len(persons)] <= day
        count = len(persons)
        return np.where(changed, self.second_phone[:count], self.first_phone[:count])

    def cookies(self, persons: Ints, day: int) -> list[str]:
        """The cookies of some persons' browsers on a day; each lasts four months."""
        number = persons * _COOKIES_A_PERSON + _epochs(persons, day)
        return [f"ck-{n:016x}" for n in _opaque(number, self.cookie_seed).tolist()]


def gets_cookie(persons: Ints, day: int) -> Bools:
    """Whose browser has a new cookie today."""
    is_new: Bools = _epochs(persons, day) != _epochs(persons, day - 1)
    return is_new


def keys(config: SampleConfig, persons: Population) -> Keys:
    """The keys of a population; a person's do not depend on who comes later."""
    rng = generator(config.seed, Stream.KEYS, 0)
    shift = [int(value) for value in rng.integers(0, _DIGITS, 15)]
    number = np.arange(len(persons), dtype=np.int64)
    own_device = np.stack([2 * number, 2 * number + 1], axis=1)
    borrowed = persons.contact.device_of
    own_device[:, 0] = np.where(borrowed >= 0, 2 * borrowed, own_device[:, 0])
    buyers = np.stack([2 * number, 2 * number + 1], axis=1)
    return Keys(
        person_id=_texts("p{:07d}", number),
        name=_names(persons),
        email=_emails(persons),
        customer_ids=_texts("C{:08d}", _scatter(buyers, shift[0])),
        member_no=_texts("M{:08d}", _scatter(number, shift[1])),
        consent_ids=_texts(
            "K{:08d}", _scatter(6 * number[:, None] + np.arange(6), shift[9])
        ),
        unionid=_texts("ou{:016x}", _opaque(number, shift[2])),
        openid=_texts("oW{:016x}", _opaque(number, shift[3])),
        external_userid=_texts("wm{:016x}", _opaque(number, shift[10])),
        social_id=_texts("s{:08d}", _scatter(number, shift[11])),
        app_user_id=_texts("a{:08d}", _scatter(number, shift[4])),
        buyer_ids=_texts("b{:08d}", _scatter(buyers, shift[5])),
        device_ids=_texts("d-{:016x}", _opaque(own_device, shift[6])),
        device_is_ios=_scatter(own_device, shift[7]) % 100 < 42,
        device_marks=(_opaque(own_device, shift[13]) >> np.uint64(1)).astype(np.int64),
        first_phone=_phones(_first_slots(persons), shift[8]),
        second_phone=_phones(2 * number + 1, shift[8]),
        cookie_seed=shift[12],
    )


def crm_phone(persons: Population, current: Texts, person: int) -> str | None:
    """A person's current phone as the CRM writes it."""
    style = Style(int(persons.contact.crm_phone_style[person]))
    return write_phone(str(current[person]), style)


def app_phone(persons: Population, current: Texts, person: int) -> str | None:
    """A person's current phone as the app and the mini program write it."""
    style = Style(int(persons.contact.app_phone_style[person]))
    return write_phone(str(current[person]), style)


def untidy(email: str, person: int) -> str:
    """An e-mail with upper case or blanks around, as people type it."""
    variants = (email.upper(), f" {email}", f"{email.title()} ")
    return variants[person % len(variants)]


def crm_email(keys_: Keys, persons: Population, person: int) -> str | None:
    """A person's e-mail as the CRM knows it: 60 % have one."""
    return _email(keys_, persons, person, float(persons.contact.in_crm[person]), 0.60)


def app_email(keys_: Keys, persons: Population, person: int) -> str | None:
    """A person's e-mail as the app knows it: 45 % have one."""
    return _email(keys_, persons, person, float(persons.contact.in_app[person]), 0.45)


def _email(
    keys_: Keys, persons: Population, person: int, draw: float, share: float
) -> str | None:
    if draw >= share:
        return None
    email = str(keys_.email[person])
    return untidy(email, person) if persons.contact.is_untidy[person] else email


def stranger_phones(keys_: Keys, numbers: Ints) -> list[str]:
    """Phones of people who never become customers."""
    return _phones(_STRANGERS + numbers, keys_.cookie_seed).tolist()  # type: ignore[no-any-return]


def _first_slots(persons: Population) -> Ints:
    """Which number a person has first: the own one, a family's, a shop's, a used one.

    Each number has a slot: even ones are persons' first, odd ones their second.
    """
    contact = persons.contact
    slots = 2 * np.arange(len(persons), dtype=np.int64)
    for other in (contact.recycled_from, contact.phone_of):
        slots = np.where(other >= 0, 2 * other, slots)
    # Who has the family's number has it as its owner has it, be it a used one.
    slots = np.where(contact.phone_of >= 0, slots[contact.phone_of], slots)
    return np.where(contact.shop_of >= 0, _SHOPS + contact.shop_of, slots)


def _epochs(persons: Ints, day: int) -> Ints:
    return (day + _COOKIE_DAYS + persons * 37 % _COOKIE_DAYS) // _COOKIE_DAYS


def _scatter(numbers: Ints, shift: int) -> Ints:
    return (numbers * _SPREAD + shift) % _DIGITS


def _opaque(numbers: Ints, shift: int) -> npt.NDArray[np.uint64]:
    """The SplitMix64 finaliser (Steele, Lea, Flood 2014): one to one on 64 bits."""
    mixed = numbers.astype(np.uint64) + np.uint64(shift * _DIGITS)
    for shift_by, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift_by))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _texts(pattern: str, numbers: npt.NDArray[Any]) -> Texts:
    texts = np.empty(numbers.size, dtype=object)
    texts[:] = [pattern.format(number) for number in numbers.ravel().tolist()]
    return texts.reshape(numbers.shape)


def _phones(slots: Ints, shift: int) -> Texts:
    prefixes = vocabulary.PHONE_PREFIXES
    texts = np.empty(len(slots), dtype=object)
    texts[:] = [
        f"{prefixes[(slot * 7919 + shift) % len(prefixes)]}{digits:08d}"
        for slot, digits in zip(
            slots.tolist(), _scatter(slots, shift).tolist(), strict=True
        )
    ]
    return texts


def _names(persons: Population) -> Texts:
    """Names as their bearers write them; surname first in Chinese."""
    traits = persons.profile
    texts = np.empty(len(persons), dtype=object)
    for person in range(len(persons)):
        if traits.foreign[person] >= 0:
            given, surname, *_ = vocabulary.FOREIGN_NAMES[traits.foreign[person]]
            texts[person] = f"{given} {surname}"
        elif traits.is_latin[person]:
            texts[person] = latin_name(persons, person)
        else:
            surname = vocabulary.SURNAMES[traits.surname[person]][0]
            texts[person] = f"{surname}{''.join(g[0] for g in _given(persons, person))}"
    return texts


def latin_name(persons: Population, person: int) -> str:
    """A name in Latin letters, given name first."""
    traits = persons.profile
    if traits.foreign[person] >= 0:
        _, _, given, surname, _ = vocabulary.FOREIGN_NAMES[traits.foreign[person]]
        return f"{given} {surname}".title()
    surname = vocabulary.SURNAMES[traits.surname[person]][1]
    return f"{''.join(g[1] for g in _given(persons, person)).title()} {surname}"


def _given(persons: Population, person: int) -> list[tuple[str, str]]:
    traits = persons.profile
    numbers = [int(traits.given[person])]
    if traits.second_given[person] >= 0:
        numbers.append(int(traits.second_given[person]))
    return [vocabulary.GIVEN[number] for number in numbers]


def _emails(persons: Population) -> Texts:
    traits, domains = persons.profile, vocabulary.EMAIL_DOMAINS
    texts = np.empty(len(persons), dtype=object)
    for person in range(len(persons)):
        surname = vocabulary.SURNAMES[traits.surname[person]][1].lower()
        given = vocabulary.GIVEN[traits.given[person]][1]
        if traits.foreign[person] >= 0:
            _, _, given, surname, _ = vocabulary.FOREIGN_NAMES[traits.foreign[person]]
        texts[person] = (
            f"{given}.{surname}{person * 13 + 7}@{domains[person % len(domains)]}"
        )
    return texts

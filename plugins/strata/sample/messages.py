"""Messages of campaigns: pushes, e-mails and text messages, and whether they are read.

A message comes as it is sent, and once more when it is opened.
"""

import numpy as np

from strata.sample.chance import Bools, Ints, Stream
from strata.sample.drives import CHANNELS, EFFECT_DAYS, Drive, drive, uplifts
from strata.sample.entities import (
    APP_PUSHES,
    LOYALTY_MESSAGES,
    TRUTH_ASSIGNMENTS,
    TRUTH_CAMPAIGNS,
    Batch,
    Entity,
    Row,
)
from strata.sample.faults import lateness
from strata.sample.phones import Style, write_phone
from strata.sample.today import Today
from strata.sample.traits import Response

_OPENED = (0.16, 0.24, 0.0)  # by channel; nobody knows whether a text was read
_CLICKED = (0.0, 0.25, 0.06)  # of the opened e-mails; of the texts
_MOOD_OF_KIND = (1.5, 1.2, 0.8, 0.5)  # on the chance of opening, by response


def messages(today: Today) -> list[Batch]:
    """What the drive that begins today sends, and the truth about whom it treats."""
    sent = drive(today)
    if sent is None:
        return []
    treated = sent.persons[sent.is_treated]
    channel = sent.channel[sent.is_treated]
    rng = today.rng(Stream.MESSAGES)
    size = len(treated)
    at = 10 * 3600 + rng.integers(0, 2 * 3600, size)
    response = today.persons.temper.response[treated]
    opens = np.asarray(_OPENED)[channel] * np.asarray(_MOOD_OF_KIND)[response]
    is_opened = rng.random(size) < opens
    is_clicked = rng.random(size) < np.asarray(_CLICKED)[channel]
    is_clicked &= is_opened | (channel == 2)
    after = np.minimum(rng.exponential(0.6, size), 5).astype(np.int64)
    opened_at = np.where(after == 0, at + rng.integers(60, 11 * 3600, size), at)
    late = lateness(rng, size, today.config.dirt)
    seen = _Seen(today, sent, treated, channel, at)
    unread = np.zeros(size, dtype=np.bool_)
    batches = []
    for entity, rows in (
        (APP_PUSHES, np.flatnonzero(channel == 0)),
        (LOYALTY_MESSAGES, np.flatnonzero(channel > 0)),
    ):
        again = rows[(is_opened | is_clicked)[rows]]
        as_sent = seen.rows(entity, rows, unread, unread, after, at)
        as_read = seen.rows(entity, again, is_opened, is_clicked, after, opened_at)
        delays = late[rows]
        batches += [
            Batch(entity, as_sent, (today.number + delays).tolist(), delays.tolist()),
            Batch(entity, as_read, (today.number + after[again]).tolist()),
        ]
    return [*batches, _truth_of_persons(today, sent), _truth_of_drive(today, sent)]


class _Seen:
    """The messages of one drive as the two systems write them down."""

    def __init__(
        self, today: Today, sent: Drive, persons: Ints, channel: Ints, at: Ints
    ) -> None:
        self._today, self._sent, self._persons = today, sent, persons
        self._channel, self._at = channel, at

    def rows(
        self,
        entity: Entity,
        chosen: Ints,
        is_opened: Bools,
        is_clicked: Bools,
        after: Ints,
        opened_at: Ints,
    ) -> list[Row]:
        """Rows as sent, or as they are after they were opened or clicked."""
        is_push = entity is APP_PUSHES
        today, persons = self._today, self._persons[chosen]
        times = today.utc if is_push else today.local
        sent_at = times(self._at[chosen])
        later = times(np.minimum(opened_at[chosen], 86_000), after[chosen])
        clicked = times(np.minimum(opened_at[chosen] + 40, 86_040), after[chosen])
        opened = is_opened[chosen].tolist()
        clicks = is_clicked[chosen].tolist()
        size, campaign = len(chosen), [self._sent.name] * len(chosen)
        ids = [f"{'PU' if is_push else 'MS'}{today.number:05d}{p:07d}" for p in persons]
        opened_text = [o if is_ else None for o, is_ in zip(later, opened, strict=True)]
        click_text = [
            c if is_ else None for c, is_ in zip(clicked, clicks, strict=True)
        ]
        newest = [
            c or o or s
            for c, o, s in zip(click_text, opened_text, sent_at, strict=True)
        ]
        if is_push:
            accounts = today.keys.app_user_id[persons].tolist()
            push = ["push"] * size
            return list(
                zip(
                    *(ids, accounts, push, campaign, sent_at, opened_text, newest),
                    strict=True,
                )
            )
        is_mail = (self._channel[chosen] == 1).tolist()
        return list(
            zip(
                ids,
                today.keys.member_no[persons].tolist(),
                self._phones(persons),
                [
                    str(e) if mail else None
                    for e, mail in zip(today.keys.email[persons], is_mail, strict=True)
                ],
                ["email" if mail else "sms" for mail in is_mail],
                campaign,
                sent_at,
                opened_text,
                click_text,
                newest,
                strict=True,
            )
        )

    def _phones(self, persons: Ints) -> list[str | None]:
        styles = self._today.persons.contact.crm_phone_style[persons].tolist()
        phones = self._today.phone[persons].tolist()
        return [
            None if style == Style.DENYLISTED else write_phone(phone, Style(style))
            for phone, style in zip(phones, styles, strict=True)
        ]


def _truth_of_persons(today: Today, sent: Drive) -> Batch:
    """Whom a trial treated and whom it held out; nothing is told of newsletters."""
    persons = sent.persons if sent.is_trial else sent.persons[:0]
    size = len(persons)
    kinds = [response.name.lower() for response in Response]
    columns = (
        [sent.name] * size,
        today.keys.person_id[persons].tolist(),
        [kinds[r] for r in today.persons.temper.response[persons].tolist()],
        ["1" if treated else "0" for treated in sent.is_treated[:size].tolist()],
        [CHANNELS[c] for c in sent.channel[:size].tolist()],
        [today.day.isoformat()] * size,
    )
    return Batch.of(TRUTH_ASSIGNMENTS, today.number, columns)


def _truth_of_drive(today: Today, sent: Drive) -> Batch:
    effect = uplifts(today.config.uplift, sent.scale if sent.is_trial else 0.0)
    last = today.config.day(today.number + EFFECT_DAYS - 1).isoformat()
    rows: list[Row] = [
        (
            *(sent.name, response.name.lower(), today.day.isoformat(), last),
            f"{effect[response]:.4f}",
        )
        for response in Response
    ]
    return Batch(TRUTH_CAMPAIGNS, rows, [today.number] * len(rows))

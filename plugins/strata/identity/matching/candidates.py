"""Which pairs are compared: records that share at least one key, none of them common.

A key is made of two clues, or of one that is nearly unique. Name parts enter in any
order, birth dates also with one of their three parts missing, so that a typing error
in one clue leaves others.
"""

from typing import Final

import duckdb

_KEYS: Final = """
    create or replace table record_keys as
    with

    parted as (
        select
            *,
            list_transform(words, lambda word: left(word, 3)) as starts,
            list_transform(words, lambda word: left(word, 1)) as initials,
            list_filter(
                [
                    'y' || left(born_on, 7), 'm' || right(born_on, 5),
                    'd' || left(born_on, 4) || right(born_on, 2)
                ],
                lambda part: part is not null
            ) as dates,
        from records
    ),

    keys as (
        select record, 'email|' || email as key, true as is_firm from parted
        union all
        select record, 'mailbox|' || mailbox, true from parted where len(mailbox) >= 5
        union all
        select record, 'number|' || number, true from parted
        union all
        select record, 'phone|' || right(phone, 8), true from parted where len(phone) >= 8
        union all
        select record, 'word|' || unnest(words), false from parted
        union all
        select record, 'born|' || born_on, false from parted
        union all
        select record, 'postcode|' || postcode, false from parted
        union all
        select record, 'house|' || street || '|' || house, true from parted
        union all
        select
            record,
            'names|' || list_aggregate(
                list_sort([left(given_sound, 4), left(family_sound, 4)]),
                'string_agg', '|'
            ),
            true,
        from parted
        where given_sound is not null and family_sound is not null
        union all
        select record, 'born|' || born_on || '|' || unnest(starts), true from parted
        union all
        select record, 'born|' || born_on || '|' || clue, true
        from (
            select
                record,
                born_on,
                unnest([place, postcode, street, mailbox, occupation]) as clue,
            from parted
        )
        union all
        select record, 'word|' || word || '|' || date_part, true
        from (
            select record, dates, unnest(words) as word from parted
        ), unnest(dates) as parts (date_part)
        union all
        select record, 'start|' || start || '|' || clue, true
        from (
            select
                record,
                [postcode, street, house, left(mailbox, 4)] as clues,
                unnest(starts) as start,
            from parted
        ), unnest(clues) as parts (clue)
        union all
        select record, 'word|' || word || '|' || clue, true
        from (
            select
                record,
                [place, district, occupation] as clues,
                unnest(words) as word,
            from parted
        ), unnest(clues) as parts (clue)
    ),

    final as (
        select distinct record, hash(key) as key, is_firm
        from keys
        where key is not null
    )

    select * from final
"""

_PAIRS: Final = """
    create or replace table pairs as
    with

    used as (
        select key
        from record_keys
        group by key
        having
            count(*) between 2 and $largest_block
            and bool_or(record in (select record from {of}))
    ),

    keyed as (
        select record_keys.*
        from record_keys
        semi join used using (key)
    ),

    final as (
        select
            lefts.record as left_record,
            rights.record as right_record,
            bool_or(lefts.is_firm) as is_firm,
        from keyed as lefts
        inner join keyed as rights
            on lefts.key = rights.key and lefts.record < rights.record
        where
            lefts.record in (select record from {of})
            or rights.record in (select record from {of})
        group by lefts.record, rights.record
    )

    select * from final
"""


def find_pairs(
    con: duckdb.DuckDBPyConnection, largest_block: int, of: str = "records"
) -> int:
    """Make the table ``pairs`` of records that share a key; how many there are.

    One of each pair is in the table ``of``. A key that more than ``largest_block``
    records share says too little and is left out.
    """
    con.execute(_KEYS)
    con.execute(_PAIRS.format(of=of), {"largest_block": largest_block})
    row = con.execute("select count(*) from pairs").fetchone()
    assert row is not None
    return int(row[0])

"""Records as matching compares them: names in parts and as they sound, typed fields.

A caller gives one Arrow table, one row a record, with ``record`` (its key), ``source``
and as many of ``FIELDS`` as it knows, as text. The working table ``records`` holds them
lowered and without accents, and beside them what names and addresses are made of.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import duckdb
import pyarrow as pa

FIELDS: Final = (
    "full_name",
    "given",
    "family",
    "born_on",
    "gender",
    "place",
    "postcode",
    "street",
    "house",
    "phone",
    "email",
    "number",
    "occupation",
)
"""What may be known of a person. ``number`` is any long number that stands for one."""

DERIVED: Final = (
    "given_sound",
    "family_sound",
    "words",
    "others",
    "district",
    "mailbox",
)

_CHINESE: Final = re.compile(r"[\u3400-\u9fff]+")
_DOUBLE_SURNAMES: Final = frozenset(
    pair
    for line in (
        "欧阳太史端木上官司马东方独孤南宫万俟闻人夏侯诸葛尉迟公羊赫连澹台皇甫宗政",
        "濮阳公冶太叔申屠公孙慕容仲孙钟离长孙宇文司徒鲜于司空闾丘子车亓官司寇巫马",
        "公西颛孙壤驷公良漆雕乐正宰父谷梁拓跋夹谷轩辕令狐段干百里呼延东郭南门羊舌",
        "微生公户公玉公仪梁丘公仲公上公门公山公坚左丘公伯西门公祖第五公乘贯丘公皙",
        "南荣东里东宫仲长子书子桑即墨达奚褚师",
    )
    for pair in re.findall("..", line)
)

_RECORDS: Final = """
    create or replace table records as
    with

    cleaned as (
        select
            record,
            source,
            {cleaned},
        from given_records
    ),

    named as (
        select
            cleaned.* replace (
                coalesce(
                    cleaned.given, chinese.given,
                    if(cleaned.family is null, latin_words(full_name)[1], null)
                ) as given,
                coalesce(
                    cleaned.family, chinese.family,
                    if(
                        cleaned.given is null and len(latin_words(full_name)) > 1,
                        latin_words(full_name)[-1], null
                    )
                ) as family
            ),
            coalesce(
                full_name, concat_ws(' ', cleaned.given, cleaned.family)
            ) as whole_name,
        from cleaned
        left join chinese_names as chinese on cleaned.full_name = chinese.name
    ),

    sounding as (
        select
            named.*,
            coalesce(given_sounds.sound, given) as given_sound,
            coalesce(family_sounds.sound, family) as family_sound,
        from named
        left join chinese_sounds as given_sounds on named.given = given_sounds.name
        left join chinese_sounds as family_sounds on named.family = family_sounds.name
    ),

    worded as (
        select
            *,
            list_sort(list_distinct(
                latin_words(whole_name) || latin_words(given_sound)
                || latin_words(family_sound)
            )) as words,
        from sounding
    ),

    final as (
        select
            * exclude (whole_name),
            list_filter(
                words,
                lambda word:
                    not contains(coalesce(given_sound, ''), word)
                    and not contains(coalesce(family_sound, ''), word)
            ) as others,
            case
                when postcode like '% %' then split_part(postcode, ' ', 1)
                else left(postcode, 3)
            end as district,
            split_part(email, '@', 1) as mailbox,
        from worded
    )

    select * from final
    order by record
"""

_CLEANED: Final = {
    "full_name": "nullif(trim(strip_accents(lower(full_name))), '')",
    "given": "nullif(trim(strip_accents(lower(given))), '')",
    "family": "nullif(trim(strip_accents(lower(family))), '')",
    "phone": "nullif(regexp_replace(phone, '[^0-9]', '', 'g'), '')",
}


def prepare(con: duckdb.DuckDBPyConnection, given: pa.Table) -> list[str]:
    """Make the table ``records`` from ``given``; the fields that some record has."""
    con.register("given_records", given)
    con.execute(
        "create or replace temp macro latin_words(text) as"
        " regexp_extract_all(coalesce(text, ''), '[a-z]{2,}')"
    )
    _register_chinese(con, given)
    has = [name for name in FIELDS if name in given.column_names]
    cleaned = [
        f"{_CLEANED.get(name, f'nullif(trim(lower({name})), {chr(39) * 2})')} as {name}"
        if name in has
        else f"cast(null as varchar) as {name}"
        for name in FIELDS
    ]
    con.execute(_RECORDS.format(cleaned=", ".join(cleaned)))
    for view in ("given_records", "chinese_names", "chinese_sounds"):
        con.unregister(view)
    counts = con.execute(
        "select "
        + ", ".join(f"count({name})" for name in FIELDS)
        + ", count(*) filter (where len(others) > 0) from records"
    ).fetchone()
    assert counts is not None
    return [n for n, c in zip((*FIELDS, "others"), counts, strict=True) if c]


def _register_chinese(con: duckdb.DuckDBPyConnection, given: pa.Table) -> None:
    """Chinese names split into family and given, and every part as it sounds."""
    texts: set[str] = set()
    for column in ("full_name", "given", "family"):
        if column in given.column_names:
            texts.update(t.strip().lower() for t in _texts(given[column]))
    chinese = sorted(text for text in texts if _CHINESE.search(text))
    split = [(text, *split_chinese(text)) for text in chinese]
    parts = sorted({p for _, family, rest in split for p in (family, rest) if p})
    con.register("chinese_names", _table(("name", "family", "given"), split))
    sounds = [(part, sound_of(part)) for part in parts]
    con.register("chinese_sounds", _table(("name", "sound"), sounds))


def split_chinese(name: str) -> tuple[str | None, str | None]:
    """Family and given name of a name in Chinese characters; titles are left out."""
    characters = "".join(_CHINESE.findall(name))
    if len(characters) < 2:
        return (characters or None, None)
    length = 2 if len(characters) > 2 and characters[:2] in _DOUBLE_SURNAMES else 1
    return characters[:length], characters[length:]


def sound_of(text: str) -> str:
    """Pinyin without tones, one word."""
    from pypinyin import lazy_pinyin

    return "".join(lazy_pinyin(text))


def _texts(column: pa.ChunkedArray) -> Iterable[str]:
    return (t for t in column.unique().to_pylist() if t)


def _table(names: tuple[str, ...], rows: Sequence[tuple[str | None, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table(
        {n: pa.array(c, pa.string()) for n, c in zip(names, columns, strict=True)}
    )

"""The words of reviews: what a mood sounds like, in several languages."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from strata.sample import vocabulary
from strata.sample.chance import Ints, pick
from strata.sample.traits import Population

KINDS: Final = ("negative", "neutral", "positive")

_NOUNS: Final = {
    "zh": ("这款护肤品", "这件衣服", "这个零食", "这套家居用品", "这台机器", "这双跑鞋",
           "这个宝宝用品", "这本书"),
    "en": ("the cream", "the shirt", "the snack", "the lamp", "the device", "the shoes",
           "the baby bottle", "the book"),
}  # fmt: skip
_OPENINGS: Final = {
    "zh": (
        ("太失望了，", "差评，", "不会再买，", "质量太差，"),
        ("一般般，", "还行吧，", "中规中矩，", "凑合，"),
        ("非常满意，", "超级喜欢，", "强烈推荐，", "质量很好，"),
    ),
    "en": (
        ("Very disappointed, ", "Terrible, ", "Waste of money, ", "Poor quality, "),
        ("It is okay, ", "Average, ", "Nothing special, ", "As described, "),
        ("Love it, ", "Excellent, ", "Highly recommended, ", "Great quality, "),
    ),
}
_BODIES: Final = {
    "zh": (
        ("{}用了两天就坏了", "{}和图片完全不一样", "{}味道很难闻，客服也不理人",
         "物流慢，{}包装破损"),
        ("{}没有特别的感觉", "{}对得起这个价格", "{}先用用看", "{}和描述差不多"),
        ("{}比想象中还要好", "{}家人都说好", "物流很快，{}包装精美", "{}会回购的"),
    ),
    "en": (
        ("{} broke after two days", "{} looks nothing like the picture",
         "{} smells bad and nobody answers", "slow delivery and {} came damaged"),
        ("{} does what it should", "{} is fine for the price", "{} is not bad, not good",
         "still testing {}"),
        ("{} is better than I hoped", "my family likes {} a lot",
         "fast delivery and {} is well made", "will buy {} again"),
    ),
}  # fmt: skip
_ENDINGS: Final = ("", "", "。", "！", "～")
# Whole reviews in languages that few customers write.
_ELSEWHERE: Final = {
    "ru": ("Очень плохо, не советую", "Нормально, ничего особенного", "Отлично, всем советую"),
    "ko": ("정말 실망했어요", "그냥 보통이에요", "정말 마음에 들어요"),
    "ja": ("とても残念でした", "普通です", "とても気に入りました"),
    "ar": ("سيء جدا ولا أنصح به", "عادي لا بأس به", "رائع جدا وأنصح به"),
    "vi": ("Rất thất vọng", "Bình thường", "Rất hài lòng"),
    "es": ("Muy malo, no lo recomiendo", "Normal, sin más", "Excelente, lo recomiendo"),
    "de": ("Sehr enttäuscht, nie wieder", "Ganz in Ordnung", "Ausgezeichnet, gerne wieder"),
}  # fmt: skip


def language_of(persons: Population, who: Ints, rng: np.random.Generator) -> list[str]:
    """The language of each review: one's own, or English, now and then."""
    draw = rng.random(len(who))
    foreign, is_latin = persons.profile.foreign[who], persons.profile.is_latin[who]
    english = draw < np.where(is_latin, 0.5, 0.03)
    return [
        "en" if en else "zh" if n < 0 else vocabulary.FOREIGN_NAMES[n][4]
        for en, n in zip(english.tolist(), foreign.tolist(), strict=True)
    ]


def written(
    kind: Ints, category: Ints, languages: Sequence[str], rng: np.random.Generator
) -> list[str]:
    """A text for each mood (index of ``KINDS``) about an article of a category."""
    size = len(kind)
    first, second = rng.integers(0, 4, size), rng.integers(0, 4, size)
    end = pick(rng, np.ones(len(_ENDINGS)), size)
    return [
        _text(*row)
        for row in zip(
            *(kind.tolist(), category.tolist(), languages),
            *(first.tolist(), second.tolist(), end.tolist()),
            strict=True,
        )
    ]


def _text(
    kind: int, category: int, language: str, first: int, second: int, end: int
) -> str:
    if language in _ELSEWHERE:
        return _ELSEWHERE[language][kind]
    body = _BODIES[language][kind][second].format(_NOUNS[language][category])
    ending = _ENDINGS[end] if language == "zh" else "."
    return f"{_OPENINGS[language][kind][first]}{body}{ending}"

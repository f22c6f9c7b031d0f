"""Cuts texts into words as the search compares them: typed and written texts alike."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import regex

from bot.text import fold

# 499.000, 499,000 and 499000 are one number; 50kg is two words.
_WORD = regex.compile(r"\d{1,3}(?:[.,]\d{3})+(?!\d)|\d+|\p{L}[\p{L}\p{M}]*")
_SEPARATORS = str.maketrans("", "", ".,")
_UNITS = {
    "k": 1_000,
    "nghin": 1_000,
    "ngan": 1_000,
    "nghìn": 1_000,
    "ngàn": 1_000,
    "tr": 1_000_000,
    "trieu": 1_000_000,
    "triệu": 1_000_000,
    "củ": 1_000_000,
}
_LONGEST_WORD = 32
# Two ways to place a tone mark are in use, hoá and hóa: one word. Both are looked at decomposed.
_TONE_AT_END = regex.compile("(?<!q)(o(?=[ae])|u(?=y))([aey])([\u0300\u0301\u0303\u0309\u0323])$")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text in lower case, both forms without an English ending."""

    exact: str
    """As it is written, in NFC."""
    folded: str
    """The same without marks; equal to `exact` when there are none."""

    @property
    def is_marked(self) -> bool:
        """Whether it is written with marks."""
        return self.exact != self.folded


def words_of(text: str, *, at_most: int | None = None) -> list[Word]:
    """The words of a text in their order, or the first of them. Amounts of money are written out: 3tr → 3000000."""
    normal = unicodedata.normalize("NFC", text).casefold()
    return [word(one) for one in _amounts(islice((match[0] for match in _WORD.finditer(normal)), at_most))]


@lru_cache(maxsize=50_000)
def word(text: str) -> Word:
    """One word in lower case and NFC, as the search compares it."""
    folded = fold(text)
    if folded == text:
        return Word(stem(text), stem(text))
    moved = _TONE_AT_END.sub(r"\1\3\2", unicodedata.normalize("NFD", text))
    return Word(unicodedata.normalize("NFC", moved), stem(folded))


def stem(word: str) -> str:
    """An English word without its ending, the same for all its forms; no Vietnamese syllable is changed by it."""
    if len(word) > 4 and word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word[: -len(ending)]
    if len(word) > 4 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _amounts(words: Iterable[str]) -> Iterator[str]:
    number: int | None = None
    for one in words:
        if number is not None and one in _UNITS:
            yield str(number * _UNITS[one])
            number = None
            continue
        if number is not None:
            yield str(number)
        number = None
        digits = one.translate(_SEPARATORS)
        if digits.isascii() and digits.isdigit() and len(digits) <= 12:
            number = int(digits)
        else:
            yield one[:_LONGEST_WORD]
    if number is not None:
        yield str(number)

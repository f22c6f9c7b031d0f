"""Cuts texts into words as the search compares them: typed and written texts alike."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import regex

from bot.text import fold

# 499.000, 499,000 and 499000 are one number; 50kg is two words.
_WORD = regex.compile(r"\d{1,3}(?:[.,]\d{3})+(?!\d)|\d+|\p{L}[\p{L}\p{M}]*")
# doesn't is one word, as it is where people leave it out.
_APOSTROPHE = regex.compile(r"(?<=\p{L})['’](?=\p{L})")
_SEPARATORS = str.maketrans("", "", ".,")
_UNITS = {"k": 1_000, "nghin": 1_000, "ngan": 1_000, "tr": 1_000_000, "trieu": 1_000_000}
_AMOUNT = regex.compile(
    r"(?<![\d.,])(\d{1,9}|\d{1,3}(?:[.,]\d{3}){1,2})\s?(k|ngh[iì]n|ng[aà]n|tri[eệ]u|tr)(?![\p{L}\p{M}])"
)
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
    normal = _APOSTROPHE.sub("", unicodedata.normalize("NFC", text).casefold())
    normal = _AMOUNT.sub(_written_out, normal)
    return [word(one) for one in _WORD.findall(normal)[:at_most]]


@lru_cache(maxsize=50_000)
def word(text: str) -> Word:
    """One word in lower case and NFC, as the search compares it."""
    text = text.translate(_SEPARATORS)[:_LONGEST_WORD]
    folded = fold(text)
    if text.isdigit():
        return Word(text, text)
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


def _written_out(amount: "regex.Match[str]") -> str:
    return str(int(amount[1].translate(_SEPARATORS)) * _UNITS[fold(amount[2])])

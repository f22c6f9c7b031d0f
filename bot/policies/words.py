"""Cuts texts into words as the search compares them: typed and written texts alike."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import regex

from bot.text import fold

# 499.000, 499,000 and 499000 are one number; 50kg is two words.
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}]*|\d{1,2}/(?:1[0-2]|[1-9])(?![\d/])|\d{1,3}(?:[.,]\d{3})+(?!\d)|\d+")
# 30/4, 30 tháng 4 and 30th of April are one day. Not "2 may", which is how "2 máy" is typed in a hurry.
_DAY = regex.compile(r"(\d{1,2})(?<![\d/.,]\1)\s?(?:/|th[aá]ng)\s?(\d{1,2})(?![\d/%]|[.,]\d|\s?th[aá]ng)")
_DAYS, _IN_A_YEAR = 31, 12
_MONTHS = [
    *("jan(uary)?", "feb(ruary)?", "mar(ch)?", "apr(il)?", "may(?<=(st|of) may)|may(?= 1st)", "june?"),
    *("july?", "aug(ust)?", "sept?(ember)?", "oct(ober)?", "nov(ember)?", "dec(ember)?"),
]
_NAMED = "|".join(f"(?P<m{number}>{name})" for number, name in enumerate(_MONTHS, start=1))
_ENGLISH_DAY = regex.compile(
    rf"(?P<day>\d{{1,2}})(?<![\d\p{{L}}/.,](?P=day))(?:st|nd|rd|th)? (?:of )?(?:{_NAMED})(?![\p{{L}}\p{{M}}\d])"
    rf"|(?<!\p{{L}})(?:{_NAMED}) (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\p{{L}}\p{{M}}\d])"
)
# doesn't is one word, as it is where people leave it out.
_APOSTROPHE = regex.compile(r"(?<=\p{L})['’](?=\p{L})")
_SEPARATORS = str.maketrans("", "", ".,")
_UNITS = {"k": 1_000, "nghin": 1_000, "ngan": 1_000, "tr": 1_000_000, "trieu": 1_000_000}
_AMOUNT = regex.compile(
    r"(?<![\d.,])(\d{1,9}|\d{1,3}(?:[.,]\d{3}){1,2})\s?(k|ngh[iì]n|ng[aà]n|tri[eệ]u|tr)(?![\p{L}\p{M}])"
)
_LONGEST_WORD = 32
# returnable, refundable, washable; but not table or cable.
_LONG = 7
# Two ways to place a tone mark are in use, hoá and hóa: one word. Both are looked at decomposed.
_TONE_AT_END = regex.compile("(?<!q)(o(?=[ae])|u(?=y))([aey])([\u0300\u0301\u0303\u0309\u0323])$")
# So are two ways to write the vowel: kỹ and kĩ, tỷ and tỉ, bác sỹ and bác sĩ.
_SYLLABLE_WITH_Y = 2
_I_AS_Y = regex.compile("(?<=^[hklmst])y(?=[\u0300\u0301\u0303\u0309\u0323]?$)")


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
    normal = _ENGLISH_DAY.sub(_in_figures, _DAY.sub(_day, normal))
    return [word(one) for one in _WORD.findall(normal)[:at_most]]


@lru_cache(maxsize=8_192)
def word(text: str) -> Word:
    """One word in lower case and NFC, as the search compares it."""
    text = text.translate(_SEPARATORS)[:_LONGEST_WORD]
    if len(text) == _SYLLABLE_WITH_Y:
        text = unicodedata.normalize("NFC", _I_AS_Y.sub("i", unicodedata.normalize("NFD", text)))
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
    if len(word) > _LONG and word.endswith("able"):
        word = word[:-4]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word[: -len(ending)]
    if len(word) > 4 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _written_out(amount: "regex.Match[str]") -> str:
    return str(int(amount[1].translate(_SEPARATORS)) * _UNITS[fold(amount[2])])


def _day(day: "regex.Match[str]") -> str:
    number, month = int(day[1]), int(day[2])
    return f"{number}/{month}" if 1 <= number <= _DAYS and 1 <= month <= _IN_A_YEAR else day[0]


def _in_figures(day: "regex.Match[str]") -> str:
    month = next(number for number in range(1, len(_MONTHS) + 1) if day[f"m{number}"])
    return f"{int(day['day'])}/{month}"

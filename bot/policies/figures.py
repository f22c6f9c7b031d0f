"""The figures in a text and what each of them says, so that a text and its translation can be compared."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import regex

from bot.text import fold

MOST_FIGURES = 300
"""A text with more of them is a table that nobody compares by reading."""
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH = f"(?:{'|'.join(f'{name[:3]}(?:{name[3:]})?' if name != 'may' else name for name in _MONTHS)})"
_MINUTES = {"minute": 1, "phút": 1, "hour": 60, "giờ": 60, "tiếng": 60, "day": 1440, "ngày": 1440}
_MINUTES |= {"week": 7 * 1440, "tuần": 7 * 1440}
_MONTHS_IN = {"month": 1, "tháng": 1, "year": 12, "năm": 12}
_TIMES = {"k": 1_000, "nghìn": 1_000, "ngàn": 1_000, "thousand": 1_000}
_TIMES |= {"triệu": 1_000_000, "tr": 1_000_000, "million": 1_000_000}
_AFTERNOON = ("pm", "p.m.", "chiều", "tối", "đêm")
_HALF_DAY = r"am|a\.m\.|pm|p\.m\.|sáng|trưa|chiều|tối|đêm"
_FIGURE = regex.compile(
    rf"""(?:(?<![\p{{L}}\d])|(?<=\dx)|(?<=vnd|usd))(?:
    (?P<phone> 0(?:[ .-]?\d){{8,10}} | 1[89]00(?:[ .-]?\d){{4,6}} | \+\d{{1,3}}(?:[ .-]?\d){{7,11}} )(?!\d)
    | (?P<around> 24/7 )(?!\d)
    | (?P<year> \d{{4}} )-(?P<month> \d{{2}} )-(?P<day> \d{{2}} )(?!\d)
    | (?P<one> \d{{1,2}} )(?:(?: / | \s+tháng\s+ )(?P<two> \d{{1,2}} )(?!\d)(?:(?: / | ,?\s+năm\s+ )\d{{4}})?
        | [.-](?P<two> \d{{1,2}} )[.-]\d{{4}}(?!\d) )
    | (?P<day> \d{{1,2}} )(?:st|nd|rd|th)?\s+(?P<named> {_MONTH} )\b
    | (?P<named> {_MONTH} )\s+(?P<day> \d{{1,2}} )(?:st|nd|rd|th)?(?![\d:])
    | (?P<hour> \d{{1,2}} )(?: [:hg](?P<minute> \d{{2}} )(?!\d)(?:\s*(?P<half> {_HALF_DAY} )(?!\p{{L}}))?
        | (?:\s*giờ)?\s*(?P<half> {_HALF_DAY} )(?!\p{{L}}) | (?P<o> h )(?![\p{{L}}\d]) )
    | (?P<number> \d{{1,3}}(?:[.,]\d{{3}})+ | \d+(?:[.,]\d{{1,2}})? )(?![\d])(?:\s*(?P<times> {"|".join(_TIMES)} )
        (?P<rest> \d )? (?!\p{{L}}))?
    )""",
    regex.VERBOSE | regex.IGNORECASE,
)
_UNIT = regex.compile(
    r"(?:\s*[–-]\s*\d+)?\s*(?:working\s+|business\s+)?"
    rf"(?P<unit>{'|'.join([*_MINUTES, *_MONTHS_IN])})(?:s|\s+làm\s+việc)?(?!\p{{L}})",
    regex.IGNORECASE,
)
# What is no statement of the shop: where links lead, the numbers of a list, the days of the week.
_NO_FIGURES = regex.compile(
    r"\]\([^)\n]{0,300}\)|https?://\S{1,300}|(?<![\w.+-])[\w.+-]{1,64}@[\w.-]{1,100}|"
    r"(?m:^[ \t]*\d{1,3}[.)][ \t])|\bthứ (?:\d|hai|ba|tư|năm|sáu|bảy)\b",
    regex.IGNORECASE,
)
_SHOWN_UNIT = regex.compile(r"\s*(?:%|đ\b|₫|vnd\b|kg\b|cm\b|g\b|°)", regex.IGNORECASE)
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("một", "one", "once", "first", "single", "nhất"), "1"),
    **dict.fromkeys(("hai", "two", "twice", "second", "both", "double", "đôi"), "2"),
    **dict.fromkeys(("ba", "three", "third"), "3"),
    **dict.fromkeys(("bốn", "tư", "four", "fourth"), "4"),
    **dict.fromkeys(("năm", "lăm", "five", "fifth"), "5"),
    **dict.fromkeys(("sáu", "six", "sixth"), "6"),
    **dict.fromkeys(("bảy", "bẩy", "seven", "seventh"), "7"),
    **dict.fromkeys(("tám", "eight", "eighth"), "8"),
    **dict.fromkeys(("chín", "nine", "ninth"), "9"),
    **dict.fromkeys(("mười", "ten", "tenth"), "10"),
    **{"eleven": "11", "twelve": "12", "dozen": "12", "noon": "12", "midnight": "24", "trưa": "12", "đêm": "24"},
    **{"fourteen": "14", "fifteen": "15", "twenty": "20", "thirty": "30", "sixty": "60", "half": "0.5", "nửa": "0.5"},
    **dict.fromkeys(("free", "miễn", "no", "không"), "0"),
    **dict.fromkeys(("all", "full", "fully", "whole", "entire", "bộ", "toàn", "hết"), "100"),
    **{name: str(number) for number, name in enumerate(_MONTHS, start=1)},
}
_YEARS = regex.compile(r"\d\s*năm\b")  # the same word is five
_LETTERS = regex.compile(r"\p{L}+")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, an amount, a time, a date or a telephone number. `means` is all that it can be read as."""

    text: str
    means: frozenset[str]
    length: str = ""
    """A length of time that it says, the same for 2 days and 48 hours."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Those of one text. `words` are numbers that it writes as words, which excuse a figure and ask for none."""

    all: tuple[Figure, ...]
    words: frozenset[str]

    def without(self, other: "Figures") -> tuple[str, ...]:
        """What stands here and nowhere in the other, as it is written, each once.

        Two lengths of time are the same when they are equally long, all else when it can be read as the same.
        """
        lengths = {one.length for one in other.all if one.length}
        bare = other.words.union(*(one.means for one in other.all if not one.length))
        every = bare.union(*(one.means for one in other.all))
        missing = [
            one.text
            for one in self.all
            if (one.means.isdisjoint(bare) and one.length not in lengths if one.length else one.means.isdisjoint(every))
        ]
        return tuple(dict.fromkeys(missing))


def figures_in(text: str) -> Figures:
    """The figures of a text in Vietnamese or English, or the first `MOST_FIGURES` of them."""
    text = _NO_FIGURES.sub(" ", unicodedata.normalize("NFC", text))
    words = {_WORDS[word] for word in _LETTERS.findall(_YEARS.sub(" ", text.lower())) if word in _WORDS}
    return Figures(tuple(islice(_figures(text), MOST_FIGURES)), frozenset(f"number {word}" for word in words))


def _figures(text: str) -> Iterator[Figure]:
    for found in _FIGURE.finditer(text):
        unit = _UNIT.match(text, found.end())
        shown = _SHOWN_UNIT.match(text, found.end())
        end = shown.end() if shown else found.end()
        if found["phone"]:
            yield Figure(found[0], frozenset([f"phone {_phone(found['phone'])}"]))
        elif found["number"]:
            value = _value(found)
            length = _length(value, unit["unit"]) if unit else ""
            plain = f"number {_written(value)}"
            whole = text[found.start() : unit.end() if unit else end]
            yield Figure(whole, frozenset([plain, length or plain]), length)
        elif found["hour"]:
            yield Figure(found[0], frozenset(_time(found)))
        elif not found["around"]:
            yield Figure(found[0], frozenset(_dates(found)))


def _phone(written: str) -> str:
    """+84 90 123 4567 and 090.123.4567 are one number."""
    digits = regex.sub(r"\D", "", written)
    return f"0{digits[2:]}" if written.startswith("+84") else digits


def _value(found: "regex.Match[str]") -> float:
    written = found["number"]
    if regex.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", written):
        written = regex.sub(r"[.,]", "", written)
    value = float(written.replace(",", ".")[:15])
    times = _TIMES.get((found["times"] or "").lower(), 1)
    return round(value * times + (int(found["rest"]) * times / 10 if found["rest"] else 0), 3)


def _length(value: float, unit: str) -> str:
    unit = unit.lower()
    if unit in _MINUTES:
        return f"minutes {_written(value * _MINUTES[unit])}"
    return f"months {_written(value * _MONTHS_IN[unit])}"


def _written(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _time(found: "regex.Match[str]") -> Iterable[str]:
    hour, minute, half = int(found["hour"]), int(found["minute"] or 0), (found["half"] or "").lower()
    if hour < 12 and (half in _AFTERNOON or (half == "trưa" and hour < 3)):
        hour += 12
    elif hour == 12 and half in ("am", "a.m.", "đêm"):
        hour = 0
    yield f"time {hour}:{minute}"
    if not minute:
        yield f"number {hour}"


def _dates(found: "regex.Match[str]") -> Iterable[str]:
    """Day and month; where only a country's habit tells which is which, both ways."""
    if found["named"]:
        month = next(number for number, name in enumerate(_MONTHS, start=1) if name[:3] == fold(found["named"])[:3])
        yield f"date {int(found['day'])}.{month}"
    elif found["year"]:
        yield f"date {int(found['day'])}.{int(found['month'])}"
    else:
        one, two = int(found["one"]), int(found["two"])
        yield from (f"date {one}.{two}", f"date {two}.{one}")

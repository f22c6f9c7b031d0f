"""What a reader should see of a Markdown text, told by a parser and by nothing of ours."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyromark
import regex

from bot.meant import with_stand_ins, without_stand_ins

_OPTIONS = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH | pyromark.Options.ENABLE_TASKLISTS
_WORDS = ("Text", "Code", "Html", "InlineHtml")
_BLOCKS = {"Paragraph", "Heading", "CodeBlock", "HtmlBlock", "Item", "TableCell", "BlockQuote", "Table", "List"}
_BREAK = regex.compile(r"<br\s*/?>", regex.IGNORECASE)
_ADDRESS = regex.compile(r"https?://[^\s<>]+")
_PIPE = regex.compile(r"(?<!\\)\|")
_DEFINITION = regex.compile(r"(?m)^.*\]:.*$")
# White space, what cannot be seen, and what the doors draw: tables, rules, bullets, boxes.
_UNSEEN = regex.compile(r"[\s\p{Z}\p{Cc}\u200b\u2060│┼─|+•☑☐—–⋯-]")
_TOKEN = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{M}\u200b-\u200d\u2060\u00ad]*")

MARKERS = frozenset("*_~`[]#\\<>=^$")


@dataclass(frozen=True, slots=True)
class Expected:
    """`text`: all words in order, a line for each block. `extra`: what may be shown beside them. `rows`: those of
    tables, with bars between the cells."""

    text: str
    extra: str
    rows: frozenset[str]

    @property
    def letters(self) -> str:
        return squeezed(self.text)

    @property
    def markers(self) -> Counter[str]:
        """How often each marker may be seen."""
        return Counter(char for char in self.text + self.extra if char in MARKERS)

    @property
    def tokens(self) -> frozenset[str]:
        """Every word that may be seen; another one is part of a word that was split."""
        return frozenset(tokens(f"{self.text}\n{self.extra}"))


def expected(source: str) -> Expected:
    """What a complete answer shows."""
    parts: list[str] = []
    # A bare address may be shown as it stands: its marks are a part of it.
    extra = _DEFINITION.findall(source) + _ADDRESS.findall(source)
    columns = 0
    rows, cells = list[str](), list[int]()
    source = with_stand_ins(source)
    places: list[tuple[Any, Any]] = list(pyromark.events_with_range(source, options=_OPTIONS))
    data = source.encode()
    for event, place in places:
        if isinstance(event, str):
            parts.append("\n")
            continue
        ((kind, value),) = event.items()
        name = value if isinstance(value, str) else next(iter(value)) if isinstance(value, dict) else ""
        if kind in _WORDS:
            parts.append(_BREAK.sub("\n", value) if "Html" in kind else value)
        elif kind == "Start" and name in ("Link", "Image"):
            extra.append(value[name]["dest_url"])
        elif name == "Strikethrough":
            # One tilde means "about": it stays.
            single = data[place["start"] + 1 : place["start"] + 2] != b"~"
            parts.append("~" if single else "")
        elif name == "Table" and kind == "Start":
            columns = len(value[name])
            parts.append("\n")
        elif name in ("TableHead", "TableRow") and kind == "Start":
            cells = []
        elif name == "TableCell" and kind == "Start":
            cells.append(len(parts))
        elif name == "TableHead":
            rows.append(_drawn(parts, cells))
        elif name == "TableRow" and kind == "End":
            # A parser drops the cells for which there is no column; here no word may get lost.
            rest = _cells(data[place["start"] : place["end"]].decode())[columns:]
            rows.append(_drawn(parts, cells, rest))
            parts.extend(f"|{cell}" for cell in rest)
        elif name in _BLOCKS:
            parts.append("\n")
    drawn = frozenset(without_stand_ins(row) for row in rows)
    return Expected(without_stand_ins("".join(parts)), without_stand_ins("\n".join(extra)), drawn)


def _drawn(parts: list[str], cells: list[int], rest: Sequence[str] = ()) -> str:
    """A row as a door draws it, given where its cells begin and those for which there is no column: no bars around
    it, and none behind its last words."""
    words = [*("".join(parts[at:end]) for at, end in pairwise([*cells, len(parts)])), *rest]
    while words and not words[-1].strip():
        words.pop()
    return "|".join(words)


def _cells(row: str) -> list[str]:
    words = row.strip().split("\n")[0].strip()
    return _PIPE.split(words.removeprefix("|").removesuffix("|"))


def squeezed(text: str) -> str:
    """A text without white space and without what the doors draw."""
    return _UNSEEN.sub("", text)


def tokens(text: str) -> list[str]:
    """The words of a text."""
    return _TOKEN.findall(text)


def missing(wanted: str, found: str) -> str:
    """From where on `wanted` is not in `found`, in order but with anything in between; empty: all is there."""
    rest = iter(found)
    for at, char in enumerate(wanted):
        if char not in rest:
            return wanted[at:]
    return ""

"""Reads Markdown for the doors that write it anew: a parser's events, and how wide words are."""

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pyromark
import regex

from bot.meant import with_stand_ins, without_stand_ins

_OPTIONS = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH | pyromark.Options.ENABLE_TASKLISTS
_LINE_BREAK = regex.compile(r"<br\s*/?>", regex.IGNORECASE)
_BLANK_LINE_BEFORE = regex.compile(rb"\n[ \t>]*\n[ \t>]*\Z")
_PIPE = regex.compile(r"(?<!\\)\|")
_LANGUAGE = regex.compile(r"[\w+#.-]{1,32}")
_NUMBER = regex.compile(rb"[ \t]*(\d{1,9})([.)])")


class Event(NamedTuple):
    """One event: `Start`, `End`, `Text` … with its tag or text, its value, and its place in the source (bytes).

    The value of an item's start is its number, as it is to be shown (`7.`, `7)`), or None.
    """

    kind: str
    name: str
    value: Any
    start: int
    end: int


def read(source: str) -> tuple[bytes, Iterator[Event]]:
    """The source that the places count in, and its events. Definitions that no link uses are words in it."""
    replaced = with_stand_ins(source)
    shown = _show_unused_definitions(replaced)
    data = shown.encode()
    events = _numbered(data, _parsed(shown))
    return data, _events(data, events if replaced == source else map(_as_written, events))


def line_breaks_before(source: bytes, start: int) -> int:
    """How far a block stands from the one before it: 2 with a blank line between them, else 1."""
    return 2 if _BLANK_LINE_BEFORE.search(source[max(0, start - 200) : start]) else 1


def _events(data: bytes, parsed: Iterable[Event]) -> Iterator[Event]:
    """A parser's events. Of a table's row that has more cells than the head the parser drops the rest: here it
    goes along with the last cell, as it stands."""
    columns = 0
    cell: Event | None = None
    for event in parsed:
        if cell is not None:
            if event.kind == "End" and event.name == "TableRow" and (rest := _too_many(data, event, columns)):
                yield Event("Text", "", rest, event.start, event.end)
            yield cell
            cell = None
        if event.kind == "Start" and event.name == "Table":
            columns = len(event.value)
        if event.kind == "End" and event.name == "TableCell":
            cell = event
        else:
            yield event


def _numbered(data: bytes, parsed: Iterator[Event]) -> Iterator[Event]:
    """Events whose items have the numbers that were written: a year stays a year. Only what has the number of the
    first item once more is counted on."""
    lists: list[tuple[int, int] | None] = []
    for event in parsed:
        if event.kind == "Start" and event.name == "List":
            lists.append(None)
        elif event.kind == "End" and event.name == "List":
            lists.pop()
        elif event.kind == "Start" and event.name == "Item" and (match := _NUMBER.match(data, event.start)):
            written, shown = int(match[1]), match[1].decode()
            first, last = lists[-1] or (written, -1)
            if lists[-1] is not None and written == first:
                shown = str(last + 1)
            lists[-1] = (first, int(shown))
            event = event._replace(value=shown + match[2].decode())
        yield event


def _too_many(data: bytes, row: Event, columns: int) -> str:
    line = data[row.start : row.end].split(b"\n", 1)[0].decode(errors="ignore").strip()
    found = [match.start() for match in _PIPE.finditer(line, 1)]
    if len(found) < columns or found[columns - 1] == len(line) - 1:
        return ""
    rest = line[found[columns - 1] :].removesuffix("|" if found[-1] == len(line) - 1 else "").rstrip()
    return f" {without_stand_ins(rest)}"


def _parsed(source: str) -> Iterator[Event]:
    events: Iterable[tuple[Any, Any]] = pyromark.events_with_range(source, options=_OPTIONS)
    for event, place in events:
        start, end = place["start"], place["end"]
        if isinstance(event, str):
            yield Event(event, "", None, start, end)
            continue
        ((kind, tag),) = event.items()
        if kind not in ("Start", "End"):
            yield Event(kind, "", tag, start, end)
        elif isinstance(tag, str):
            yield Event(kind, tag, None, start, end)
        else:
            ((name, value),) = tag.items()
            yield Event(kind, name, value, start, end)


def _as_written(event: Event) -> Event:
    value = event.value
    if isinstance(value, str):
        return event if value.isascii() else event._replace(value=without_stand_ins(value))
    if isinstance(value, dict):
        words = {key: without_stand_ins(each) if isinstance(each, str) else each for key, each in value.items()}
        return event._replace(value=words)
    return event


def with_line_breaks(html: str) -> str:
    """HTML as text, its line breaks obeyed."""
    return _LINE_BREAK.sub("\n", html)


def language_of(value: Any) -> str | None:
    """The language of a code block, from the value of its event."""
    info = value.get("Fenced", "").split() if isinstance(value, dict) else []
    return info[0] if info and _LANGUAGE.fullmatch(info[0]) else None


def width(text: str) -> int:
    """Columns in a font of fixed width: marks take none, East Asian characters and emoji two."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )


def _show_unused_definitions(source: str) -> str:
    # "[Note]: word" defines the target of a link, and a definition is not shown. One that no link uses
    # was meant as words.
    while "]:" in source and (definitions := pyromark.reference_definitions(source, options=_OPTIONS)):
        used = {label.casefold() for label in _labels(pyromark.events(source, options=_OPTIONS))}
        unused = [entry["span"]["start"] for label, entry in definitions.items() if label.casefold() not in used]
        if not unused:
            break
        data = source.encode()
        for start in sorted(unused, reverse=True):
            data = data[:start] + b"\\" + data[start:]
        source = data.decode()
    return source


def _labels(events: Iterable[Any]) -> Iterator[str]:
    for event in events:
        if isinstance(event, dict) and isinstance(start := event.get("Start"), dict):
            link = start.get("Link") or start.get("Image")
            if link:
                yield link["id"]

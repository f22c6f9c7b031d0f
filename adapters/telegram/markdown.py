"""Markdown as Telegram shows it: plain text and entities. Every text is accepted, finished or not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import regex

from adapters.telegram.addresses import inert
from adapters.telegram.entities import Kind, Span, is_link, settle
from adapters.telegram.tables import aligned, fits, listed
from bot.markdown import Event, language_of, line_breaks_before, read, with_line_breaks
from bot.text import is_blank, utf16_units

# Telegram drops or replaces these on its side, which would move every entity behind them.
_DROPPED = regex.compile("[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]")
# Without them a line could be read as another one: they go when it is read.
_DROPPED_LATER = regex.compile("[\u2028-\u202e]")
_SURROGATE = regex.compile("[\ud800-\udfff]")
_STYLES: dict[str, Kind] = {"Strong": "bold", "Emphasis": "italic"}
_RULE = "———"


@dataclass(frozen=True, slots=True)
class Formatted:
    """What a message shows. `units` is its length as Telegram counts it."""

    text: str
    spans: tuple[Span, ...] = ()

    @property
    def units(self) -> int:
        return utf16_units(self.text)


def plain(markdown: str) -> Formatted:
    """The text as it stands, for when its formatted form is refused."""
    return Formatted(_DROPPED_LATER.sub("", _tidy(markdown)).replace("\t", "    ").strip())


def formatted(markdown: str, may_link: Callable[[str], bool] = is_link) -> Formatted:
    """The text with its formatting as entities. What no formatting is left of is shown as it stands.

    No `parse_mode` is involved, so Telegram has nothing to parse and cannot fail at it. Raw HTML stays
    visible text. `may_link` decides which addresses become links; the others stay words, bare ones as code.
    """
    source, events = read(_tidy(markdown))
    walk = _Walk(source, may_link)
    for event in events:
        walk.take(event)
    whole = "".join(walk.parts)
    if is_blank(whole):
        return plain(markdown)
    text = whole.strip()
    skipped = utf16_units(whole[: len(whole) - len(whole.lstrip())])
    return Formatted(text, settle(walk.spans, text, skipped=skipped, inert=[*inert(whole, may_link)]))


def _tidy(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _DROPPED.sub("", _SURROGATE.sub("\ufffd", text))


class _Walk:
    """Goes through a parser's events once, and writes text and spans."""

    def __init__(self, source: bytes, may_link: Callable[[str], bool]) -> None:
        self.parts: list[str] = []
        self.spans: list[Span] = []
        self._source = source
        self._may_link = may_link
        self._units = 0
        # Line breaks and list marks are written with the words behind them: a mark alone is debris.
        self._gap = 0
        self._lead = ""
        self._open: list[tuple[Kind | None, int | None, str | None]] = []
        self._labels: list[int] = []
        self._lists = 0
        self._raw: list[str] | None = None
        self._language: str | None = None
        self._cell: list[str] | None = None
        self._rows: list[list[str]] = []
        self._alignment: tuple[str, ...] = ()

    def take(self, event: Event) -> None:
        value, start = event.value, event.start
        match event.kind:
            case "Text":
                self._write(value)
            case "Code":
                self._push("code")
                self._write(value)
                self._pop()
            case "Html" | "InlineHtml":
                self._write(with_line_breaks(value))
            case "TaskListMarker":
                self._lead = self._numbers() + ("☑ " if value else "☐ ")
            case "Start":
                self._start(event.name, value, start)
            case "End":
                self._end(event.name, start, event.end)
            case "Rule":
                self._block(start)
                self._write(_RULE)
            case _:
                self._write("\n")

    def _start(self, name: str, value: Any, start: int) -> None:
        match name:
            case "Strong" | "Emphasis":
                self._push(_STYLES[name])
            case "Strikethrough":
                # One tilde is read as "about": ~5 days ~ one week.
                single = self._source[start + 1 : start + 2] != b"~"
                self._push(None if single else "strikethrough")
                self._write("~" if single else "")
            case "Link" | "Image":
                url = "" if value["link_type"] in ("Autolink", "Email") else value["dest_url"]
                self._push("text_link" if self._links_to(url) else None, url)
                self._labels.append(len(self.parts))
            case "Paragraph":
                self._block(start)
            case "Heading":
                self._block(start)
                self._push("bold" if self._source[start : start + 1] == b"#" else None)
            case "BlockQuote":
                self._block(start)
                self._push("blockquote")
            case "List":
                self._lists += 1
            case "Item":
                self._item(start, value)
            case "CodeBlock" | "HtmlBlock":
                self._block(start)
                self._raw = []
                self._language = language_of(value)
            case "Table":
                self._block(start)
                self._rows, self._alignment = [], value
            case "TableHead" | "TableRow":
                self._rows.append([])
            case "TableCell":
                self._cell = []

    def _links_to(self, url: str) -> bool:
        return is_link(url) and self._may_link(url)

    def _end(self, name: str, start: int, end: int) -> None:
        match name:
            case "Strong" | "Emphasis" | "BlockQuote":
                self._pop()
            case "Link" | "Image":
                self._link()
            case "Heading":
                self._pop()
                # Lines under words are read as a rule, and a single "-" may be a list that begins.
                if self._source[start : start + 1] != b"#" and self._source[start:end].rstrip().endswith(b"---"):
                    self._gap = 1
                    self._write(_RULE)
            case "Strikethrough":
                if self._open[-1][0] is None:
                    self._write("~")
                self._pop()
            case "List":
                self._lists -= 1
            case "Item":
                self._lead = ""
            case "CodeBlock" | "HtmlBlock":
                text, self._raw = "".join(self._raw or ()), None
                self._pre(text.removesuffix("\n"), self._language, as_code=name == "CodeBlock")
            case "TableCell":
                self._rows[-1].append(" ".join("".join(self._cell or ()).split()))
                self._cell = None
            case "Table":
                self._table(self._rows)

    def _block(self, start: int) -> None:
        if self._lead:
            return
        self._break_line(start)
        self._lead = "  " * self._lists

    def _item(self, start: int, number: str | None) -> None:
        self._break_line(start)
        self._lead = self._numbers() + (f"{number} " if number else "• ")

    def _numbers(self) -> str:
        """What stands before the mark of an item: the numbers of the items that begin with it (`31. 12. 2026`)."""
        return self._lead if self._lead.strip(" •") else "  " * (self._lists - 1)

    def _break_line(self, start: int) -> None:
        self._gap = max(self._gap, line_breaks_before(self._source, start))

    def _write(self, text: str) -> None:
        text = _DROPPED_LATER.sub("", text)
        if self._raw is not None:
            self._raw.append(text)
        elif self._cell is not None:
            self._cell.append(text)
        elif text:
            # Telegram makes a single space of a tab, which would flatten code.
            text = text.replace("\t", "    ")
            lead = ("\n" * self._gap if self.parts else "") + self._lead
            self._gap, self._lead = 0, ""
            if lead:
                self._append(lead)
            if self._open and self._open[-1][1] is None:
                units = self._units
                self._open = [(kind, units if began is None else began, value) for kind, began, value in self._open]
            self._append(text)

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self._units += utf16_units(text)

    def _push(self, kind: Kind | None, value: str | None = None) -> None:
        self._open.append((kind, None, value))

    def _pop(self) -> None:
        kind, began, value = self._open.pop()
        if kind is not None and began is not None:
            self.spans.append(Span(kind, began, self._units, value))

    def _link(self) -> None:
        """The end of a link: where it leads is said in words if it could not become one."""
        kind, _, url = self._open[-1]
        label = "".join(self.parts[self._labels.pop() :] if self._cell is None else self._cell)
        if url and kind and self._cell is None and is_blank(label):
            self._write(url)
            label = url
        self._pop()
        address = (url or "").removeprefix("mailto:").removeprefix("tel:")
        if address and (kind is None or self._cell is not None) and address not in label:
            self._write(address if is_blank(label) else f" ({address})")

    def _table(self, rows: list[list[str]]) -> None:
        if fits(rows):
            self._pre(aligned(rows, self._alignment), None, as_code=True)
            return
        indent = self._lead if not self._lead.strip() else "  " * self._lists
        for number, line in enumerate(listed(rows)):
            if number:
                self._write("\n" + indent)
            self._push(None if number else "bold")
            self._write(line)
            self._pop()

    def _pre(self, text: str, language: str | None, *, as_code: bool) -> None:
        if is_blank(text):
            return
        self._lead = self._lead.rstrip(" ") if not self._lead.strip() else self._lead
        self._push("pre" if as_code else None, language)
        self._write(text)
        self._pop()

"""Markdown's lines: which are code, which are rows of a table, and where a paragraph begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import regex

LineKind = Literal["blank", "text", "item", "heading", "rule", "open", "code", "close", "head", "delimiter", "row"]
"""`open`, `code` and `close` are the lines of a fence; `head`, `delimiter` and `row` those of a table."""

_QUOTE = regex.compile(r"(?: {0,3}> ?)*+")
_INDENT = regex.compile(r"(?m)^(?:[ \t>]++|(?:[-+*]|\d{1,9}[.)])(?=[ \t]))++")
_ONE_QUOTE = regex.compile(r" {0,3}> ?")
_ITEMS = regex.compile(r"(?: *(?:[-+*]|\d{1,9}[.)])(?= |$) *+)++")
_NOT_FIRST = regex.compile(r" *(?!0*1[.)])\d")
_FENCE = regex.compile(r"( *)(`{3,20}(?=[^`]*$)|~{3,20}(?!~))(.*)$")
_HEADING = regex.compile(r" {0,3}#{1,6}(?: |$)")
_MOST_MARKS = 400
_DELIMITER = regex.compile(r" *+\|?+ *+:?-++:? *+(?:\| *+:?-++:? *+)*+\|? *+$")
_LONGEST_INFO = 30
_PIPE = regex.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Fence:
    """An open code fence. `marker` is its ticks, `info` its language."""

    marker: str
    info: str
    quotes: int
    indent: int
    inside: int
    """Columns of the list item that it belongs to: a line that begins before them ends the fence."""

    @property
    def opening(self) -> str:
        """The line that opens it again at the top of another message."""
        return f"{'> ' * self.quotes}{self.marker}{self.info}\n"

    @property
    def closing(self) -> str:
        """The line that closes it where it stands."""
        return f"{'> ' * self.quotes}{' ' * self.indent}{self.marker}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `text[start:end]` with its line end, its words from `content` on."""

    start: int
    content: int
    end: int
    kind: LineKind
    opens: bool
    """A block of its own begins here: no emphasis reaches over this point."""
    quotes: int = 0
    fence: Fence | None = None


def pipes(line: str) -> list[int]:
    """Where a line has pipes that are not escaped."""
    return [match.start() for match in _PIPE.finditer(line)]


def first_pipe(line: str) -> int | None:
    """Where a line has its first pipe that is not escaped."""
    match = _PIPE.search(line)
    return match.start() if match else None


def scan(text: str) -> list[Line]:
    """The lines of a text, in one pass."""
    return Scan().lines(text)


class Scan:
    """The lines of a text that grows: those that are complete are read once."""

    def __init__(self) -> None:
        self._scanner = _Scanner()
        self._at = 0
        self._before: _State | None = None

    def lines(self, text: str) -> list[Line]:
        """The lines of a text that begins with all complete lines of the text of the last call. The list is
        valid until the next call, and not to be changed."""
        scanner = self._scanner
        if self._before is not None:
            scanner.restore(self._before)
            self._before = None
        while (end := text.find("\n", self._at)) >= 0:
            scanner.take(text[self._at : end], self._at, end + 1)
            self._at = end + 1
        if self._at < len(text):
            self._before = scanner.state()
            scanner.take(text[self._at :], self._at, len(text))
        return scanner.lines


def without_tabs(text: str) -> str:
    """A text whose lines are indented by spaces."""
    return _INDENT.sub(lambda indent: indent[0].expandtabs(4), text) if "\t" in text else text


def indent_of(line: str, quotes: int = 0) -> int:
    """How many spaces stand before a line's words, behind the marks of so many quotes."""
    return _indent(line[behind_quotes(line, quotes) :].rstrip("\n"))


def behind_quotes(line: str, quotes: int) -> int:
    """Where a line goes on behind the marks of so many quotes; 0 if it has fewer."""
    at = 0
    for _ in range(quotes):
        match = _ONE_QUOTE.match(line, at)
        if match is None:
            return 0
        at = match.end()
    return at


def without_indent(line: str, columns: int, quotes: int = 0) -> str:
    """A line moved left by at most so many columns, within the quotes that it is in."""
    start = behind_quotes(line, quotes)
    return line[:start] + line[start + min(_indent(line[start:]), columns) :]


@dataclass(frozen=True, slots=True)
class _State:
    fence: Fence | None
    items: tuple[int, ...]
    around: tuple[int, ...]
    last: LineKind
    last_body: str
    quotes: int
    count: int
    """Of the lines."""
    last_line: tuple[Line, ...]


class _Scanner:
    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._fence: Fence | None = None
        self._items: list[int] = []
        self._around: list[int] = []
        self._last: LineKind = "blank"
        self._last_body = ""
        self._quotes = 0

    @property
    def _item(self) -> int:
        """The column where the words of the innermost open list item begin; 0 outside of lists."""
        return self._items[-1] if self._items else 0

    def state(self) -> _State:
        count, last_line = len(self.lines), tuple(self.lines[-1:])
        items, around = tuple(self._items), tuple(self._around)
        return _State(self._fence, items, around, self._last, self._last_body, self._quotes, count, last_line)

    def restore(self, state: _State) -> None:
        self._fence, self._items, self._around = state.fence, [*state.items], [*state.around]
        self._last, self._last_body, self._quotes = state.last, state.last_body, state.quotes
        self.lines[max(0, state.count - 1) :] = state.last_line

    def take(self, line: str, at: int, end: int) -> None:
        match = _QUOTE.match(line, 0, _MOST_MARKS)
        prefix = match.end() if match else 0
        if not prefix and (column := _column(self._around if self._quotes else self._items, _indent(line))):
            inner = _QUOTE.match(line, column, column + _MOST_MARKS)
            prefix = inner.end() if inner and inner.end() > column else 0
        quotes = line.count(">", 0, prefix)
        if self._fence is not None:
            kind = self._in_fence(self._fence, line, quotes, prefix)
            if kind is not None:
                content = prefix if self._fence.quotes else 0
                self.lines.append(Line(at, at + content, end, kind, False, quotes, self._fence))
                self._last = kind
                self._fence = None if kind == "close" else self._fence
                return
            self._fence, self._last = None, "blank"
        body = line[prefix:]
        content, kind, opens = self._classify(body, quotes)
        if kind == "delimiter":
            head = self.lines[-1]
            self.lines[-1] = Line(head.start, head.content, head.end, "head", True, head.quotes)
        self.lines.append(Line(at, at + prefix + content, end, kind, opens, quotes, self._fence))
        words = body[content:]
        is_done = kind == "item" and (_HEADING.match(words) or (words[:1] in tuple("-*_") and _is_rule(words)))
        # Under a heading or a rule nothing goes on, in an item neither.
        self._last, self._last_body, self._quotes = "heading" if is_done else kind, words, quotes

    def _in_fence(self, fence: Fence, line: str, quotes: int, prefix: int) -> LineKind | None:
        """What a line is to an open fence; None if it ended before this line."""
        body = line[prefix:] if fence.quotes else line
        words = body.strip()
        if quotes < fence.quotes or (words and _indent(body) < fence.inside):
            return None
        is_close = len(words) >= len(fence.marker) and not words.strip(fence.marker[0])
        return "close" if is_close and _indent(body) < fence.indent + 4 else "code"

    def _classify(self, body: str, quotes: int) -> tuple[int, LineKind, bool]:
        """Where a line's words begin, what it is, and whether a block begins with it."""
        if quotes != self._quotes:
            self._enter(quotes)
        if not body.strip():
            return 0, "blank", True
        indent = _indent(body)
        # Only a paragraph goes on with a line that has left its list.
        has_left = self._last not in ("text", "item") and indent < self._item
        while has_left and indent < self._item:
            self._items.pop()
        if self._may_be_under_head() and _is_delimiter(body) and cells(self._last_body) == cells(body):
            return 0, "delimiter", False
        inner = body[_column(self._items, indent) :] if indent > 3 else body
        if _is_rule(inner):
            return 0, "rule", True
        if body[0] in " \t" and self._last in ("blank", "code") and not self._item and _columns(body) >= 4:
            return len(body) - len(body.lstrip()), "code", True
        if (items := _ITEMS.match(body, 0, _MOST_MARKS)) is not None and not self._goes_on(body, indent, quotes):
            while self._items and indent < self._item:
                self._items.pop()
            self._items.append(items.end() + (body[items.end() :] == ""))
            self._open_fence(body, items.end(), quotes)
            return items.end(), "open" if self._fence else "item", True
        if self._open_fence(body, 0, quotes):
            return indent, "open", True
        if _HEADING.match(inner):
            return 0, "heading", True
        if self._last in ("delimiter", "row") and quotes == self._quotes and not has_left:
            return 0, "row", False
        opens = self._last not in ("text", "item") or quotes > self._quotes
        return indent, "text", opens

    def _enter(self, quotes: int) -> None:
        """Into other quotes, where lists of their own are; those around them go on behind them."""
        if not self._quotes:
            self._around = self._items
        self._items = [] if quotes else self._around

    def _may_be_under_head(self) -> bool:
        """Whether the last line could be the head of a table: within a paragraph only one with a bar in front is."""
        is_words = self._last in ("text", "item")
        return is_words and (self.lines[-1].opens or self._last_body.startswith("|"))

    def _goes_on(self, body: str, indent: int, quotes: int) -> bool:
        """Whether the mark of an item at the beginning of a line belongs to the words of a paragraph: only a list
        that begins with 1 ends one."""
        if self._last not in ("text", "item") or quotes != self._quotes:
            return False
        # So far indented it would be code, which ends no paragraph, either.
        is_far = indent >= _column(self._items, indent) + 4
        return is_far or (indent >= self._item and _NOT_FIRST.match(body) is not None)

    def _open_fence(self, body: str, at: int, quotes: int) -> bool:
        match = _FENCE.match(body, at)
        if match is None:
            return False
        indent = at + len(match[1])
        inside = _column(self._items, indent)
        if not at and indent - inside >= 4:
            return False  # Code by its indent, or a line of the paragraph above.
        self._fence = Fence(match[2], match[3].strip()[:_LONGEST_INFO], quotes, indent if inside else 0, inside)
        return True


def _column(items: Sequence[int], indent: int) -> int:
    """Where the words begin of the innermost of these list items that a line is in which is so far indented."""
    return next((item for item in reversed(items) if item <= indent), 0)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _columns(line: str) -> int:
    """How far a line is indented, tabs included."""
    return len(line[: len(line) - len(line.lstrip())].expandtabs(4))


def _is_rule(line: str) -> bool:
    """Whether a line is a rule, or the line under the words of a heading."""
    mark = line.lstrip(" ")[:1]
    if mark not in tuple("-*_=") or _indent(line) > 3:
        return False
    words = line.strip() if mark == "=" else line.replace(" ", "").replace("\t", "")
    return not words.strip(mark) and (mark == "=" or len(words) >= 3)


def _is_delimiter(line: str) -> bool:
    return "-" in line and ("|" in line or ":" in line) and _DELIMITER.match(line) is not None


def cells(line: str) -> int:
    """How many cells a row has."""
    line = line.strip()
    found = pipes(line)
    if not found:
        return 1
    return len(found) + 1 - (found[0] == 0) - (found[-1] == len(line) - 1 and len(line) > 1)

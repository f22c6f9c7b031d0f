"""Where a text that is too long for one message is cut, and how the next message takes it up again."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

import regex

from bot.reply import inline
from bot.reply.blocks import Line, behind_quotes, cells, indent_of, pipes, scan, without_indent

_SENTENCE_END = regex.compile(r"[.!?…。！？][\"'”’)\]»]*(?:\s+|(?<=[。！？]))")
_SPACE = regex.compile(r"\s+")
# A message must not begin with words that would be read as the beginning of a block.
_BLOCK_START = regex.compile(
    r"(?:[-+*]|\d{1,9}[.)])(?:\s|$)|#{1,6}(?:\s|$)|>|`{3}|~{3}|\||[-=_*]+\s*$", regex.MULTILINE
)
# Of these what a backslash makes words of again.
_BECOMES_BLOCK = regex.compile(
    r"[-+*](?:\s|$)|#{1,6}(?:\s|$)|>|`{3}|~{3}|\||(?:-[- ]*|=+|_[_ ]*|\*[* ]*)\s*$|([-_*])\1{63}", regex.MULTILINE
)
_GRAPHEME = regex.compile(r"\X")
_HALF_ENTITY = regex.compile(r"&#?[A-Za-z0-9]*$")
_REST_OF_ENTITY = regex.compile(r"#?[A-Za-z0-9]*;")
# Places that are tried before the next best kind of place is looked at.
_MOST_TRIES = 40
# A table's head is repeated if it takes no more of a message than one in so many characters.
_LONGEST_HEAD = 3
_MOST_QUOTES = 5
_NEVER_CUT = ("blank", "open", "close", "head", "delimiter", "row")
_LONGEST_GRAPHEME = 32


@dataclass(frozen=True, slots=True)
class Cut:
    """The message is `text[:at]` without white space at its end, and `closing`. The next one begins with
    `opening`, and what follows loses up to `dedent` columns a line for as long as its list goes on."""

    at: int
    closing: str = ""
    opening: str = ""
    dedent: int = 0
    quotes: int = 0
    """So many quotes are around what loses columns."""

    def message(self, text: str) -> str:
        return text[: self.at].rstrip() + self.closing


Place = tuple[int, Callable[[int], Cut | None]]
"""A place for a cut, and what makes it (None if it falls into something)."""

Paragraph = tuple[int, list[inline.Span], list[int]]


def cut(text: str, *, after: int, before: int, fits: Callable[[str], bool]) -> Cut:
    """The best place for a cut behind `after` and not behind `before`, so that `fits` of the message is true.

    `fits` of the whole text is false. At least one character is cut off even if that does not fit.
    """
    return _Cutter(text, after, before, fits).cut()


class _Cutter:
    def __init__(self, text: str, after: int, before: int, fits: Callable[[str], bool]) -> None:
        self._text = text
        self._lines = scan(text)
        self._starts = [line.start for line in self._lines]
        self._after = after
        self._fits = fits
        self._read: dict[int, Paragraph] = {}
        self._limit = self._last_that_fits(after, before)

    def cut(self) -> Cut:
        middle = self._after + (self._limit - self._after) // 2
        ways = (self._paragraphs, self._line_starts, self._sentences, self._words)
        for low in (middle, self._after + 1):
            for way in ways if low == middle else (*ways, self._words_in_spans, self._words_in_rows):
                if (place := self._last_good(way, low)) is not None:
                    return place
        return self._anywhere()

    def _last_good(self, way: Callable[[], Iterator[Place]], low: int) -> Cut | None:
        places = [place for place in way() if low <= place[0] <= self._limit]
        for at, make in reversed(places[-_MOST_TRIES:]):
            place = make(at)
            if place is not None and self._fits(place.message(self._text)):
                return place
        return None

    def _last_that_fits(self, after: int, before: int) -> int:
        """Bisection, first over lines, then inside the line that is too much."""
        lines = [line.end for line in self._lines if after < line.end <= before]
        low = self._bisect(lines)
        at = lines[low - 1] if low else after
        end = lines[low] if low < len(lines) else before
        inside = range(at + 1, end + 1)
        low = self._bisect(inside)
        return inside[low - 1] if low else at

    def _bisect(self, places: "list[int] | range") -> int:
        low, high = 0, len(places)
        while low < high:
            middle = (low + high) // 2
            if self._fits(self._plain_cut(places[middle]).message(self._text)):
                low = middle + 1
            else:
                high = middle
        return low

    def _line_at(self, at: int) -> Line:
        return self._lines[max(0, bisect_right(self._starts, at - 1) - 1)]

    def _plain_cut(self, at: int) -> Cut:
        """A cut with no look at words, only at the fence that it falls into."""
        line = self._line_at(at)
        if line.fence is None or line.kind == "close":
            return Cut(at)
        fence = line.fence
        rest = "" if at in (line.start, line.end) else "> " * fence.quotes
        return Cut(at, "\n" + fence.closing, fence.opening + rest, fence.indent, fence.quotes)

    def _paragraphs(self) -> Iterator[Place]:
        for above, line in self._below_words():
            if above.kind == "blank" and line.kind not in ("blank", "code", "close"):
                yield line.start, self._at_line

    def _below_words(self) -> Iterator[tuple[Line, Line]]:
        """Each line and the one above it, but none that a heading stands above: a message does not end with one."""
        words: Line | None = None
        for above, line in pairwise(self._lines):
            words = above if above.kind != "blank" else words
            if words is not None and words.kind != "heading":
                yield above, line

    def _line_starts(self) -> Iterator[Place]:
        for above, line in self._below_words():
            if line.kind in ("blank", "close", "delimiter") or above.kind in ("head", "delimiter", "open"):
                continue
            if line.kind == "rule" and above.kind in ("text", "item"):
                continue
            if line.fence is not None and line.kind == "code":
                yield line.start, self._plain_cut
            else:
                yield line.start, self._at_line

    def _at_line(self, at: int) -> Cut | None:
        number = bisect_right(self._starts, at) - 1
        line = self._lines[number]
        if not line.opens and line.kind != "row" and self._is_in_span(at):
            return None
        indent = 0 if line.kind == "code" else indent_of(self._text[line.start : line.end], line.quotes)
        opening = self._head_of(number, indent) if line.kind == "row" else ""
        return Cut(at, opening=opening, dedent=indent, quotes=line.quotes)

    def _head_of(self, number: int, indent: int) -> str:
        """The head of the table that a row belongs to; one without words if that would take too much room."""
        while self._lines[number].kind != "delimiter":
            number -= 1
        lines = [self._text[line.start : line.end] for line in self._lines[number - 1 : number + 1]]
        quotes = self._lines[number].quotes
        head = "".join(without_indent(line, indent, quotes) for line in lines)
        if len(head) <= (self._limit - self._after) // _LONGEST_HEAD:
            return head
        columns = cells(self._text[self._lines[number].content : self._lines[number].end])
        marks = "> " * quotes
        return f"{marks}|{' |' * columns}\n{marks}|{'-|' * columns}\n"

    def _sentences(self) -> Iterator[Place]:
        yield from self._in_lines(_SENTENCE_END, self._between_words)

    def _words(self) -> Iterator[Place]:
        yield from self._in_lines(_SPACE, self._between_words)

    def _words_in_spans(self) -> Iterator[Place]:
        yield from self._in_lines(_SPACE, self._in_words)

    def _words_in_rows(self) -> Iterator[Place]:
        """Places in rows of a table that are too long for a message."""
        for line in self._lines:
            if line.kind == "row" and line.start <= self._limit and line.end > self._after:
                for match in _SPACE.finditer(self._text, line.content, line.end):
                    if self._after < match.end() < line.end:
                        yield match.end(), self._in_row

    def _in_row(self, at: int) -> Cut:
        """A cut inside a cell, which goes on in the same column of the same table."""
        number = bisect_right(self._starts, at) - 1
        line = self._lines[number]
        indent = indent_of(self._text[line.start : line.end], line.quotes)
        before = self._text[line.content : at]
        cell = max(1, len(pipes(before)) + (not before.lstrip().startswith("|")))
        marks = "> " * line.quotes
        return Cut(
            at, opening=f"{self._head_of(number, indent)}{marks}{'| ' * cell}", dedent=indent, quotes=line.quotes
        )

    def _in_lines(self, pattern: "regex.Pattern[str]", make: Callable[[int], Cut | None]) -> Iterator[Place]:
        """Places inside lines: in paragraphs, and in lines of code that are too long for a message."""
        for line in self._lines:
            if line.start > self._limit or line.end <= self._after or line.kind in _NEVER_CUT:
                continue
            for match in pattern.finditer(self._text, line.content, line.end):
                at = match.end()
                if self._after < at < line.end and match.start() > line.content:
                    yield at, self._plain_cut if line.fence else make

    def _between_words(self, at: int) -> Cut | None:
        return None if self._is_in_span(at) else self._in_words(at)

    def _in_words(self, at: int, *, anywhere: bool = False) -> Cut | None:
        """A cut inside a line: what is open there is closed and opened again."""
        line = self._line_at(at)
        spans = self._spans_at(at)
        if not anywhere and (_BLOCK_START.match(self._text, at) or not all(span.marker for span in spans)):
            return None
        markers = [span.marker for span in spans if span.marker] if len(spans) <= inline.MOST_OPEN else []
        column = behind_quotes(self._text[line.start : line.end], line.quotes)
        dedent = max(0, line.content - line.start - column)
        start = "".join(markers) or ("\\" if _BECOMES_BLOCK.match(self._text, at) else "")
        return Cut(at, "".join(reversed(markers)), "> " * min(line.quotes, _MOST_QUOTES) + start, dedent, line.quotes)

    def _anywhere(self) -> Cut:
        """Between two graphemes: nothing better was found."""
        limit = max(self._limit, self._after + 1)
        at = self._after
        for match in _GRAPHEME.finditer(self._text, self._after):
            if match.end() > limit and (at > self._after or match.end() - match.start() > _LONGEST_GRAPHEME):
                # What is longer is no character that anybody reads.
                at = max(at, limit) if at == self._after else at
                break
            at = match.end()
        half = _HALF_ENTITY.search(self._text, max(self._after, at - 33), at)
        if half is not None and half.start() > self._after and _REST_OF_ENTITY.match(self._text, at):
            at = half.start()
        line = self._line_at(at)
        is_words = line.fence is None and line.kind in ("text", "item", "heading")
        return (self._in_words(at, anywhere=True) if is_words else None) or self._plain_cut(at)

    def _is_in_span(self, at: int) -> bool:
        start, _, depths = self._paragraph_at(at)
        return bool(depths[at - start])

    def _spans_at(self, at: int) -> list[inline.Span]:
        """What a cut here would fall into, outermost first."""
        start, spans, _ = self._paragraph_at(at)
        return sorted((span for span in spans if span.start < at - start < span.end), key=lambda span: span.start)

    def _paragraph_at(self, at: int) -> Paragraph:
        """The paragraph around a place: where it begins, its spans, and in how many of them each place is."""
        number = max(0, bisect_right(self._starts, at) - 1)
        while number and not self._lines[number].opens:
            number -= 1
        if number not in self._read:
            last = number + 1
            while last < len(self._lines) and not self._lines[last].opens:
                last += 1
            start, end = self._lines[number].content, self._lines[last - 1].end
            found = inline.read(self._text[start:end])
            spans = found.spans + [
                inline.Span(run.at, end - start + 1, run.char * run.count) for run in found.open if run.virtual
            ]
            self._read[number] = (start, spans, _depths(spans, end - start + 1))
        return self._read[number]


def _depths(spans: list[inline.Span], length: int) -> list[int]:
    changes = [0] * (length + 2)
    for span in spans:
        changes[span.start + 1] += 1
        changes[min(span.end, length)] -= 1
    return list(accumulate(changes))

"""What of an unfinished text may be shown: never debris, and never what the next words would undo."""

from dataclasses import dataclass

import regex

from bot.reply import inline
from bot.reply.blocks import Line, Scan, first_pipe
from bot.reply.references import may_define

# A line with a pipe may become the head of a table; past this it is a sentence with a pipe, or with one in front.
_LONGEST_HEAD = 200
_LONGEST_ROW = 1_000
# So many lines that end in undecided markup are looked at one by one.
_TRIES = 8

_MARKER = regex.compile(
    r"[ >]*+(?:(?:[-+*]|\d{1,9}[.)])[ ]+>*|> *)*+"
    r"(?:[-+*_=](?:[-+*_= ])*|\d{1,9}[.)]?|#{1,6}|`+|~+|\[[ xX]?\]?|<|!|:)?\s*$"
)
_LONE_ITEM = regex.compile(r"[ >]*+(?:(?:[-+*>]|\d{1,9}[.)](?!\S))[ \t]*)*+(?:\[[ xX]?\])?(?:#{1,6})?(?:\s|&nbsp;)*+$")
_MARKS = regex.compile(r"[-+*>#.)\d\[\] \t]*+\s*$")
_LONGEST_MARKS = 200
_MAYBE_DELIMITER = regex.compile(r"[ >]*+[|:\-][|:\- ]*+$")
_OPEN_FENCE = regex.compile(r"[ >]*+(?:(?:[-+*]|\d{1,9}[.)])[ ]+)*+(?:`{3,}[^`]*|~{3,}.*)$")
_HARD_BREAK = regex.compile(r"(?<!\\)(?:\\\\)*+\\$")
_EMOJI = regex.compile(
    r"(?:(?:\p{Extended_Pictographic}(?<![©®™])\p{M}*+\p{Emoji_Modifier}?+(?:[\U000e0020-\U000e007f]*+))(?:\u200d|$))++$"
    r"|(?:\p{Regional_Indicator}\p{Regional_Indicator})*+\K\p{Regional_Indicator}$|[\ud800-\udbff]$"
)
# Half an address leads elsewhere, and nobody can tell whether it may be a link.
_ADDRESS = regex.compile(
    r"(?<![\p{L}\p{N}<]|\]\()(?:h(?:t(?:t(?:p(?:s?+(?::(?:/(?:/[^\s<>]{0,150}+)?+)?+)?+)?+)?+)?+)?+"
    r"|w(?:w(?:w(?:\.[^\s<>]{0,150}+)?+)?+)?+)$",
    regex.IGNORECASE,
)
_LONGEST_ADDRESS = 160


@dataclass(frozen=True, slots=True)
class Visible:
    """`text[:end] + closing` is Markdown that reads well by itself."""

    end: int
    closing: str = ""


def visible(text: str, *, hold: int = inline.HOLD) -> Visible:
    """How much of a text that may go on can be shown. Markup that is not closed is held back for so many
    characters; what is longer counts as closed at the end of what is shown."""
    return Watch(hold).look(text)


class Watch:
    """Looks at a text that grows, again and again: what is settled is not looked at any more."""

    def __init__(self, hold: int = inline.HOLD) -> None:
        self._hold = hold
        self._scan = Scan()
        self._text = ""
        self._lines: list[Line] = []
        self._readers: dict[int, inline.Reader] = {}
        # Of the first so many lines, those from `_bare` on show nothing.
        self._settled = self._bare = 0
        self._paragraph = (0, 0)

    def look(self, text: str) -> Visible:
        """How much of the text may be shown; it begins with the text of the last call."""
        text = text[: _whole_graphemes(text)]
        if self._hold and (address := _ADDRESS.search(text, max(0, len(text) - _LONGEST_ADDRESS))) is not None:
            text = text[: address.start()]
        self._text = text
        self._lines = self._scan.lines(text)
        self._settle()
        return self._look(text, self._lines)

    def _settle(self) -> None:
        # What the last two lines are, the next one may change.
        for number in range(self._settled, len(self._lines) - 2):
            line = self._lines[number]
            words = self._text[line.start : line.end]
            if line.fence is not None or not (line.kind == "blank" or _is_lone(words)):
                self._bare = number + 1
            self._settled = number + 1

    def _look(self, text: str, lines: list[Line]) -> Visible:
        """From the last line upwards, until one can be shown."""
        complete = closed = False
        tries = _TRIES
        count = len(lines)
        while count:
            if count == self._settled and self._bare < count:
                count, complete, closed = self._bare, True, lines[self._bare].kind == "blank"
                continue
            last = lines[count - 1]
            complete = complete or text.endswith("\n", last.start, last.end)
            end = last.start + len(text[last.start : last.end].rstrip())
            if end <= last.start:
                closed = closed or (complete and last.kind == "blank")
                count -= 1
                continue
            cut, closing = self._line(count - 1, end, complete, closed, tries)
            tries -= 1
            while count and lines[count - 1].start >= cut:
                count -= 1
            complete, closed = True, False
            if not count:
                break
            words = text[lines[count - 1].start : lines[count - 1].end].rstrip()
            if cut > lines[count - 1].start + len(words):
                continue  # Whole lines were taken away; now it is about the one above them.
            if lines[count - 1].fence or not _is_lone(text[lines[count - 1].start : cut]):
                return Visible(cut, closing)
            count -= 1
        return Visible(0)

    def _line(self, number: int, end: int, complete: bool, closed: bool, tries: int) -> tuple[int, str]:
        """Where to cut, given the last line that has words, and what then closes what is open."""
        text, last = self._text, self._lines[number]
        if last.fence is not None:
            return self._in_fence(last, end, complete)
        if (cut := self._in_table(number, end, complete, closed)) is not None:
            return self._inside(number, cut)
        words = text[last.start : end]
        if _is_lone(words) or (not complete and (_may_be_mark(words) or may_define(text[last.content : end]))):
            return last.start, ""
        if (
            last.kind in ("code", "rule")
            or closed
            or tries <= 0
            or (complete and last.kind in ("heading", "row", "delimiter"))
        ):
            return end, ""
        return self._in_paragraph(number, last.end)

    def _inside(self, number: int, cut: int) -> tuple[int, str]:
        """A cut that may fall into the words of a line, where something may be open."""
        while number and self._lines[number].start > cut:
            number -= 1
        is_inside = self._lines[number].content < cut < self._lines[number].end
        return self._in_paragraph(number, cut) if is_inside else (cut, "")

    def _in_fence(self, last: Line, end: int, complete: bool) -> tuple[int, str]:
        fence = last.fence
        assert fence is not None
        if last.kind == "close":
            return end, ""
        words = self._text[last.content : end].strip()
        if last.kind == "open" or (not complete and not words.strip(fence.marker[0])):
            return last.start, ""
        return end, "\n" + fence.closing

    def _in_table(self, number: int, end: int, complete: bool, closed: bool) -> int | None:
        """Where to cut because of a table that is being written; None if there is none."""
        last = self._lines[number]
        if last.kind in ("delimiter", "row") and complete:
            return None
        if last.kind == "row":
            return last.start
        if last.kind not in ("text", "item", "head", "delimiter") or closed:
            return None
        words = self._text[last.content : end]
        above = self._lines[number - 1] if number else None
        if not complete and above and above.kind in ("text", "item", "head") and _MAYBE_DELIMITER.match(words):
            cut = self._before_pipe(above, above.end)
            if cut is not None:
                return cut
        return self._before_pipe(last, end) if last.kind != "delimiter" else last.start

    def _before_pipe(self, line: Line, end: int) -> int | None:
        """Where a line that may be the head of a table is cut."""
        found = first_pipe(self._text[line.content : end])
        if found and not line.opens:
            return None  # Within a paragraph a table's head has a bar in front.
        if found is None or end - line.content - found > (_LONGEST_HEAD if found else _LONGEST_ROW):
            return None
        return line.content + found if found else line.start

    def _in_paragraph(self, number: int, end: int) -> tuple[int, str]:
        """Where to cut the paragraph that this line belongs to, and what closes it there."""
        start = self._lines[self._first_of(number)].content
        words = self._text[start:end]
        if self._lines[number].quotes:
            # The marks of the quote are no words of the paragraph.
            words = words.replace("\n>", "\n ")
        found = self._reader(start).read(words)
        words = self._text[start : start + found.cut].rstrip()
        if not found.tick and _HARD_BREAK.search(words, max(0, len(words) - 100)):
            words = words[:-1].rstrip()
        runs = [run for run in found.open if run.virtual]
        while runs and not found.tick and not words[runs[-1].at :].strip(" \n*_~"):
            words = words[: runs.pop().at].rstrip()
        if runs and not found.tick:
            ends = {span.end for span in found.spans[-_TRIES:]}
            while words and words[-1] in "*_~" and words[-2:-1] != "\\" and len(words) not in ends:
                words = words[:-1].rstrip()
        return start + len(words), found.tick + "".join(run.char * run.count for run in reversed(runs))

    def _first_of(self, number: int) -> int:
        """The first line of the paragraph that a line belongs to."""
        first, known = self._paragraph
        at = number
        while at and not self._lines[at].opens:
            if first <= at <= known:
                at = first
                break
            at -= 1
        self._paragraph = (at, min(number, self._settled - 1))
        return at

    def _reader(self, start: int) -> inline.Reader:
        reader = self._readers.pop(start, None) or inline.Reader(self._hold)
        self._readers[start] = reader
        if len(self._readers) > 2 * _TRIES:
            del self._readers[next(iter(self._readers))]
        return reader


def _is_lone(words: str) -> bool:
    """Whether a line is nothing but the marks of blocks whose words are still to come."""
    return (_LONE_ITEM if len(words) <= _LONGEST_MARKS else _MARKS).match(words) is not None


def _may_be_mark(words: str) -> bool:
    """Whether a line that is not complete may still become the mark of a block and nothing else."""
    if "```" in words or "~~~" in words:
        return _OPEN_FENCE.match(words) is not None or (
            len(words) <= _LONGEST_MARKS and _MARKER.match(words) is not None
        )
    return len(words) <= _LONGEST_MARKS and _MARKER.match(words) is not None


def _whole_graphemes(text: str) -> int:
    """Where a text ends without a character that may still be put together: an emoji may be continued by a
    joiner or a skin colour, a flag has two halves. (An accent to come cannot be foreseen.)"""
    match = _EMOJI.search(text, max(0, len(text) - 64))
    return match.start() if match else len(text)

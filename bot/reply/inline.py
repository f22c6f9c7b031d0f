"""Emphasis, code and links of one paragraph: what is complete, and what is still being written.

The rules are CommonMark's (delimiter runs and their flanking), with GFM's strikethrough.
"""

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import regex

from bot.meant import Bold, is_words
from bot.reply.tags import TAG

HOLD = 240
"""What is behind an opener is held back for so many characters: whether it is markup, only its end tells, and to what
was seen words are only added. (Nothing in real answers is longer than 50.) Past this, emphasis and code that look
like it count as markup, which stays open to the end of what is shown; a bracket and anything else is a character.
The end of the paragraph decides at once."""

# A star within a word ("5*3") is hardly ever markup: it is held back for less. A backtick before a space is none,
# either, but if it is, all that was shown behind it was wrong: it is held back for longer. (Nobody waits: it is rare.)
_SHORT_HOLD = 120
_LONE_HOLD = 480
# An address or another long word counts as so many characters of what is held back, which is never more
# than the second number.
_LONG_WORD = 20
_MOST_HELD = 2_000

# Nobody nests emphasis deeper; these are characters.
MOST_OPEN = 6

# What stays open for longer than this was not meant as markup.
_LONGEST_ADDRESS = 2_500
_LONGEST_TAG = 200
_MOST_RUNS = 32

_SPECIAL = regex.compile(r"\\|`+|\*+|_+|~+|!?\[|\]|<|&|!$")
_TICKS = regex.compile("`+")
_ANGLED = regex.compile(r"<(?:[^<>\n\\]|\\.)*+>")
_STEP = regex.compile(r"(?:\\.|[^() \p{Cc}\\])++|[()]", regex.DOTALL)
_WHITE = regex.compile(r"[ \t\n]*+")
_TITLE = regex.compile(r"\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'|\((?:[^()\\]|\\.)*+\)", regex.DOTALL)
_DEEPEST = 32
_OPEN_ADDRESS = regex.compile(r"<[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*+$")
_OPEN_LABEL = regex.compile(r"\[[^\]]*+$")
_LABEL = regex.compile(r"\[[^\[\]]*+\]")
_OPEN_ENTITY = regex.compile(r"&(?:#[0-9xX]?[0-9a-fA-F]{0,8}|[A-Za-z][A-Za-z0-9]{0,31})?$")
_PUNCTUATION = regex.compile(r"[\p{P}\p{S}]")


@dataclass(slots=True)
class Run:
    """A run of `*`, `_` or `~`; `count` of them are not matched yet."""

    at: int
    char: str
    length: int
    count: int
    opens: bool
    closes: bool
    held: bool
    """What is behind it is held back until its end is there."""
    virtual: bool
    """While nothing matches it, it is more likely markup to come than a character of the text."""
    is_short: bool
    """It is held back for less than the others."""


class Span(NamedTuple):
    """`marker` closes it and opens it again; without one it cannot be cut at all."""

    start: int
    end: int
    marker: str = ""


@dataclass(slots=True)
class Inline:
    """What was found. `cut`: what is behind it is undecided; `tick` closes a code span that is open there."""

    cut: int
    tick: str = ""
    spans: list[Span] = field(default_factory=list)
    """What no message should end within: code, links, emphasis, escapes. Those that end later come later."""
    open: list[Run] = field(default_factory=list)
    """Openers without an end, outermost first."""


_Openers = tuple[tuple[Run, int], ...]
"""Runs, and how many of each were not matched."""


class _Bracket(NamedTuple):
    at: int
    is_image: bool
    spans: int
    openers: _Openers


def read(text: str) -> Inline:
    """Read a whole paragraph."""
    return Reader(hold=0).read(text if text.endswith("\n") else text + "\n")


class Reader:
    """Reads a paragraph that grows, again and again: what was decided once is not looked at any more.

    A line end at the end of the text tells that its last line is complete.
    """

    def __init__(self, hold: int = HOLD) -> None:
        self._hold = hold
        self._text = ""
        self._forget()

    def _forget(self) -> None:
        self._at = 0
        self._spans: list[Span] = []
        self._runs: list[Run] = []
        self._brackets: list[_Bracket] = []
        # Of the brackets below this one none can become a link: there is one in it already.
        self._inactive = 0
        self._last_ticks: dict[int, int] = {}
        self._ticks_seen = 0
        self._bold = Bold()

    def read(self, text: str) -> Inline:
        """What is in a text; it may be the one of the last call, gone on."""
        if not text.startswith(self._text[: max(self._at, self._ticks_seen)]):
            self._forget()
        self._text = text
        self._see_ticks()
        cut, tick = len(text), ""
        while (match := _SPECIAL.search(text, self._at)) is not None:
            end = self._take(match.start(), match.end())
            if end is None:
                cut, tick = self._undecided(match.start(), match.end())
                break
            self._at = end
        else:
            self._at = len(text)
        return self._inline(cut, tick)

    def _see_ticks(self) -> None:
        for match in _TICKS.finditer(self._text, self._ticks_seen):
            if match.end() == len(self._text):
                # It may grow; until then it counts, and is seen again.
                self._last_ticks[len(match[0])] = match.start()
                self._ticks_seen = match.start()
                return
            self._last_ticks[len(match[0])] = match.start()
        self._ticks_seen = len(self._text)

    def _take(self, start: int, end: int) -> int | None:
        """Where what begins here ends; None if what is to come decides over it. Then nothing has changed."""
        text, char = self._text, self._text[start]
        if char == "\\":
            is_open = start + 1 == len(text) or text[start + 1 :] == "\n"
            return None if is_open else self._span(start, start + 2)
        if char == "`":
            return self._code(start, end) or (end if self._is_lone(start, end) else None)
        if text[end - 1] == "[":
            openers = tuple((run, run.count) for run in self._runs)
            if self._brackets and self._brackets[-1].openers == openers:
                openers = self._brackets[-1].openers
            self._brackets.append(_Bracket(start, char == "!", len(self._spans), openers))
            return end
        if char == "]":
            return self._close_bracket(start)
        if char == "<":
            return self._tag(start)
        if char == "&":
            return None if _OPEN_ENTITY.match(text, start) else end
        return None if char == "!" else self._run(start, end)

    def _undecided(self, start: int, end: int) -> tuple[int, str]:
        """Where to cut because of what begins here, and the ticks that close it there."""
        text = self._text
        inside = text[end:].rstrip("` \n")
        if text[start] != "`" or text[end : end + 1].isspace() or not inside or not self._is_past(start, len(text)):
            return start, ""
        ticks = text[start:end]
        return end + len(inside), ticks

    def _inline(self, cut: int, tick: str) -> Inline:
        text = self._text
        openers: _Openers = tuple((run, run.count) for run in self._runs)
        if (bracket := self._open_bracket(cut)) is not None and bracket.at < cut:
            cut, tick, openers = bracket.at, "", bracket.openers
        for run, _ in openers:
            # What was given up once is not taken back.
            run.held = run.held and not self._is_past(run.at, cut, _SHORT_HOLD if run.is_short else HOLD)
            if run.at < cut and run.held:
                cut, tick = run.at, ""
                break
        likely = sum(run.virtual for run, _ in openers) <= MOST_OPEN
        opened = [replace(run, count=count, virtual=run.virtual and likely) for run, count in openers if run.at < cut]
        spans = self._spans
        if tick:
            spans = [*spans, Span(self._at, len(text), tick)]
        return Inline(cut, tick, spans, opened)

    def _open_bracket(self, cut: int) -> _Bracket | None:
        """The first bracket that may still be the beginning of a link."""
        # Words that end are not held back for longer because of the address behind them, and code that is not
        # decided may be theirs.
        length = cut if self._text.startswith(("](", "`"), cut) else len(self._text)
        first = bisect_left(self._brackets, True, key=lambda bracket: not self._is_past(bracket.at, length))
        for number in range(first, len(self._brackets)):
            if number >= self._inactive or self._brackets[number].is_image:
                return self._brackets[number]
        return None

    def _is_past(self, start: int, end: int, hold: int = HOLD) -> bool:
        """Whether what was opened at a place is not held back any more when the text is that long."""
        hold = hold if self._hold else 0
        if end - start <= hold or end - start > _MOST_HELD:
            return end - start > hold
        return sum(min(len(word), _LONG_WORD) + 1 for word in self._text[start:end].split()) > hold

    def _span(self, start: int, end: int, marker: str = "") -> int:
        self._spans.append(Span(start, end, marker))
        return end

    def _code(self, start: int, end: int) -> int | None:
        if end == len(self._text):
            return None
        ticks = end - start
        if self._last_ticks.get(ticks, -1) <= start:
            return None
        for match in _TICKS.finditer(self._text, end):
            if len(match[0]) == ticks:
                return self._span(start, match.end(), "`" * ticks) if match.end() < len(self._text) else None
        return None

    def _is_lone(self, start: int, end: int) -> bool:
        """Whether backticks without an end are hardly the beginning of code: they stand before a space, or what
        is behind them has others than they are."""
        if self._text[end : end + 1].isspace():
            return self._is_past(start, len(self._text), _LONE_HOLD)
        return "`" in self._text[end : end + HOLD] and self._is_past(start, len(self._text))

    def _close_bracket(self, start: int) -> int | None:
        after, text = start + 1, self._text
        if not self._brackets:
            return after
        bracket = self._brackets[-1]
        is_active = bracket.is_image or len(self._brackets) > self._inactive
        is_near = not self._is_past(bracket.at, start)
        if is_active and after == len(text) and is_near:
            return None
        if is_active and text[after : after + 1] == "(":
            end = _target_end(text[after : after + _LONGEST_ADDRESS])
            if end is None and len(text) - after < _LONGEST_ADDRESS:
                return None
            if end:
                return self._link(bracket, after + end)
        elif is_active and 0 < len(text) - after <= _MOST_HELD and _OPEN_LABEL.match(text, after):
            return None
        elif is_active and (label := _LABEL.match(text, after)) is not None:
            if label.end() == len(text):
                return None
            if text[label.end()] != "(":
                return self._link(bracket, label.end())
        self._pop_bracket()
        return after

    def _link(self, bracket: _Bracket, end: int) -> int:
        """Nothing in a link pairs with what is outside."""
        del self._spans[bracket.spans :]
        self._runs = [run for run, _ in bracket.openers]
        for run, count in bracket.openers:
            run.count = count
        self._pop_bracket()
        if not bracket.is_image:
            self._inactive = len(self._brackets)
        return self._span(bracket.at, end)

    def _pop_bracket(self) -> None:
        self._brackets.pop()
        self._inactive = min(self._inactive, len(self._brackets))

    def _tag(self, start: int) -> int | None:
        match = TAG.match(self._text, start, start + _LONGEST_ADDRESS, partial=True)
        if match is None:
            return start + 1
        if match.partial:
            longest = _LONGEST_ADDRESS if _OPEN_ADDRESS.match(self._text, start) else _LONGEST_TAG
            return None if len(self._text) - start < longest else start + 1
        return self._span(start, match.end())

    def _run(self, start: int, end: int) -> int | None:
        text, char = self._text, self._text[start]
        if end == len(text):
            return None
        if char != "~" and is_words(text, start, end):
            return end
        before = text[start - 1] if start else " "
        after = text[end]
        left = not after.isspace() and (not _is_punctuation(after) or before.isspace() or _is_punctuation(before))
        right = not before.isspace() and (not _is_punctuation(before) or after.isspace() or _is_punctuation(after))
        opens, closes = left, right
        if char == "_":
            opens = left and (not right or _is_punctuation(before))
            closes = right and (not left or _is_punctuation(after))
        length = end - start
        is_about = char == "~" and length == 1
        if char == "~":
            # GFM leaves open what may begin a strikethrough: here it is as the doors' parser has it.
            around = before.isspace() or _is_punctuation(before), after.isspace() or _is_punctuation(after)
            opens = not after.isspace() and (length > 1 or around[0])
            closes = not before.isspace() and (around[1] or (length > 1 and not _is_punctuation(before)))
        likely = length == 2 if char == "~" else length <= 3
        if opens and closes and _is_punctuation(before):
            likely = False
        if left and right and before.isalnum():
            likely = likely and length >= 2 and not (before.isdigit() and after.isdigit())
        is_short = length == 1 and before.isdigit() and after.isalnum()
        if char == "*" and length == 2 and (role := self._bold.role(text, start)) is not None:
            opens, closes = role == "begins", role == "ends"
        if char == "~" and length > 2:
            return end
        run = Run(start, char, length, length, opens, closes, not is_about, likely, is_short)
        if closes:
            self._close(run)
        if opens and run.count:
            self._runs.append(run)
            del self._runs[:-_MOST_RUNS]
        return end

    def _close(self, run: Run) -> None:
        place = len(self._runs) - 1
        while run.count and place >= 0:
            opener = self._runs[place]
            if not _match(opener, run):
                # One tilde against two: a parser pairs neither, and nothing that is behind them.
                opener.virtual = opener.virtual and not opener.char == run.char == "~"
                place -= 1
                continue
            used = opener.count if run.char == "~" else 2 if opener.count >= 2 and run.count >= 2 else 1
            opener.count -= used
            run.count -= used
            run.at += used
            del self._runs[place + 1 :]
            self._span(opener.at + opener.count, run.at, run.char * used)
            if not opener.count:
                self._runs.pop()
                place -= 1


def _match(opener: Run, closer: Run) -> bool:
    if opener.char != closer.char:
        return False
    if opener.char == "~":
        return opener.count == closer.count
    if opener.closes or closer.opens:
        together = opener.length + closer.length
        return together % 3 != 0 or (opener.length % 3 == 0 and closer.length % 3 == 0)
    return True


def _target_end(text: str) -> int | None:
    """Where the target of a link ends that begins with the bracket at 0; 0 if it is none, None if it may become one."""
    at = _white_end(text, 1)
    if text.startswith("<", at):
        match = _ANGLED.match(text, at, partial=True)
        if match is None or match.partial:
            return 0 if match is None else None
        at = match.end()
    else:
        depth = 0
        while (match := _STEP.match(text, at)) is not None:
            depth += (match[0] == "(") - (match[0] == ")")
            if depth < 0 or depth > _DEEPEST:
                break
            at = match.end()
        if depth > 0:
            return None if at == len(text) or text[at:] == "\\" else 0
    behind = _white_end(text, at)
    if behind > at and text[behind : behind + 1] in tuple("\"'("):
        match = _TITLE.match(text, behind, partial=True)
        if match is None or match.partial:
            return 0 if match is None else None
        behind = _white_end(text, match.end())
    if behind == len(text) or text[behind:] == "\\":
        return None
    return behind + 1 if text[behind] == ")" else 0


def _white_end(text: str, at: int) -> int:
    match = _WHITE.match(text, at)
    return match.end() if match else at


def _is_punctuation(char: str) -> bool:
    return _PUNCTUATION.match(char) is not None

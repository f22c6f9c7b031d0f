"""One text as several messages: finished parts are frozen, the last one is open."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape

import regex

from bot.reply.blocks import behind_quotes, indent_of, scan
from bot.reply.growing import Watch, visible
from bot.reply.plain import plain
from bot.reply.split import cut
from bot.text import is_blank

NOTHING = "⋯"
"""What a message shows that is left over from an answer that was replaced by a shorter one."""

_LINE_BREAK = regex.compile(r"(?i)<br\s*/?>")
_TASK = regex.compile(r"(?m)^(?:- )?\\\[[ xX]\\\]")
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_LONGEST_BARE = 64
# No door makes more units of one more character; so a text with room enough is not measured again.
_MOST_UNITS = 8
_MARGIN = 64
_LINE = regex.compile(r"[^\n]*+\n|[^\n]++$")


@dataclass(frozen=True, slots=True)
class Tail:
    """The open part: the source from `start` on, below `opening`, its list moved left by `dedent` columns (behind
    the marks of so many `quotes`)."""

    start: int = 0
    opening: str = ""
    dedent: int = 0
    quotes: int = 0

    def render(self, source: str) -> tuple[str, list[tuple[int, int]], int]:
        """The part's Markdown, pairs of places in it and in the source that belong together, and where in it
        the list ends that is moved."""
        if not self.dedent:
            return self.opening + source[self.start :], [(len(self.opening), self.start)], 0
        pieces, places = [self.opening], []
        at, here = self.start, len(self.opening)
        moving, moved = True, 0
        for number, line in enumerate(_LINE.findall(source, self.start)):
            mark = behind_quotes(line, self.quotes)
            spaces = indent_of(line, self.quotes)
            moving = moving and (number == 0 or spaces >= self.dedent or not line[mark:].strip())
            gone = min(spaces, self.dedent) if moving else 0
            if mark:
                places.append((here, at))
            places.append((here + mark, at + mark + gone))
            pieces.append(line[:mark] + line[mark + gone :])
            at, here = at + len(line), here + len(line) - gone
            moved = here if moving else moved
        return "".join(pieces), places or [(here, at)], moved


class Parts:
    """Cuts a text that grows. What is frozen never changes, whatever comes after it."""

    def __init__(self, *, max_units: int, measure: Callable[[str], int]) -> None:
        self._max_units = max_units
        self._measure = measure
        self.frozen: list[str] = []
        self._tails = [Tail()]
        self._watch = Watch()
        self._measured = (0, 0)

    @property
    def starts(self) -> tuple[int, ...]:
        """Where in the source each part begins."""
        return tuple(tail.start for tail in self._tails)

    @property
    def offsets(self) -> tuple[int, ...]:
        """How far each part's text stands behind the source; what a part repeats on its top counts as before it."""
        return tuple(tail.start - len(tail.opening) for tail in self._tails)

    def fits(self, text: str) -> bool:
        return self._measure(text) <= self._max_units

    def shows(self, text: str) -> bool:
        """Whether there is anything to see in a text once it is formatted."""
        return not is_blank(text) and self._measure(text) > 0

    def grow(self, source: str) -> str:
        """What the open part shows while more is to come; parts that are full are frozen first."""
        while True:
            text, places, moved = self._tails[-1].render(source)
            look = self._watch.look(text)
            shown = text[: look.end].lstrip("\n") + look.closing
            if look.end <= len(self._tails[-1].opening):
                return ""
            units = self._units(shown)
            if units <= self._max_units:
                return shown if units > 0 and not is_bare(shown) else ""
            self._freeze(text, places, moved, look.end)

    def finish(self, source: str, *endings: str, is_cut: bool = False) -> list[str]:
        """All parts of a complete text; under the last one stands the first of the `endings` that has room there,
        and if none has, the first of them makes a message of its own. What `is_cut` was broken off: its emphasis
        is closed, as it was while it grew."""
        while True:
            text, places, moved = self._tails[-1].render(source)
            last = _closed(text.strip("\n").rstrip(), is_cut=is_cut) if source[self._tails[-1].start :].strip() else ""
            if not last or self.fits(last):
                break
            self._freeze(text, places, moved, len(text))
        parts = [*self.frozen, last] if last and self.shows(last) else [*self.frozen]
        endings = tuple(ending.strip() for ending in endings if ending.strip())
        if not endings:
            return parts
        for ending in endings:
            if parts and self.fits(f"{parts[-1]}\n\n{ending}"):
                return [*parts[:-1], f"{parts[-1]}\n\n{ending}"]
        below = Parts(max_units=self._max_units, measure=self._measure)
        return parts + below.finish(endings[0])

    def thaw(self, part: int, *, max_units: int) -> None:
        """Cut anew from a part on, into smaller messages."""
        self._max_units = max_units
        del self.frozen[part:]
        del self._tails[part + 1 :]
        self._watch = Watch()
        self._measured = (0, 0)

    def _units(self, shown: str) -> int:
        """The length of what the open part shows, or a smaller one if it certainly fits."""
        length, units = self._measured
        room = self._max_units - units - _MARGIN
        # A wide cell widens every row of the table that is being written; a definition changes what it likes.
        block = shown.rfind("\n\n", 0, max(0, length - 2)) + 1
        rows = shown.count("\n", block) + 1 if "|" in shown[block:] else 0
        may_grow = (len(shown) - length) * (_MOST_UNITS + 2 * rows)
        if units and "]:" not in shown and 0 <= may_grow <= room:
            return units
        self._measured = len(shown), self._measure(shown)
        return self._measured[1]

    def _freeze(self, text: str, places: list[tuple[int, int]], moved: int, before: int) -> None:
        above = self._tails[-1]
        opening = len(above.opening)
        after = opening + len(text[opening:]) - len(text[opening:].lstrip("\n"))
        place = cut(text, after=after, before=before, fits=self.fits)
        here, there = places[max(0, bisect_right(places, place.at, key=lambda pair: pair[0]) - 1)]
        is_same = place.at < moved and place.quotes == above.quotes
        dedent = place.dedent + (above.dedent if is_same else 0)
        tail = Tail(there + place.at - here, place.opening, dedent, place.quotes)
        message = place.message(text).lstrip("\n")
        self._watch = Watch()
        self._measured = (0, 0)
        if is_blank(message):
            self._tails[-1] = tail
        else:
            self.frozen.append(message)
            self._tails.append(tail)


def spread(text: str, count: int, measure: Callable[[str], int]) -> list[str]:
    """A text over exactly `count` messages, about equally long and without a cut in any word; what it is too short
    for shows `NOTHING`."""
    whole, words = measure(text), set(_WORD.findall(text))
    units = max(1, -(-whole // count))
    while True:
        pieces = Parts(max_units=units, measure=measure).finish(text)
        if units > whole or (len(pieces) <= count and words <= {word for one in pieces for word in _WORD.findall(one)}):
            return pieces + [NOTHING] * (count - len(pieces))
        units += max(1, units // 8)


def is_bare(text: str) -> bool:
    """Whether a text is markup and nothing else: as long as it grows that is not worth showing."""
    if len(text) >= _LONGEST_BARE:
        return is_blank(text)
    words = _TASK.sub("", plain(_LINE_BREAK.sub("", text))).replace("\\", "")
    return is_blank(unescape(words))


def _closed(text: str, *, is_cut: bool) -> str:
    """A fence that the model left open is closed, for platforms that would show its marker."""
    look = visible(text, hold=0) if is_cut else None
    if look and look.end and not any(char.isalnum() for char in text[look.end :]):
        return text[: look.end] + look.closing
    lines = scan(text)
    last = lines[-1] if lines else None
    if last is None or last.fence is None or last.kind == "close":
        return text
    return f"{text}\n{last.fence.closing}"

"""Sections by number, for models that know no citations: they are listed as `[1]`, `[2]`, and asked for the number."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bot.chat import Source
from bot.llm.base import Cited, ModelRequest, TextDelta

RULE = (
    "Sections of the shop's policies are given as a list; each begins with its number in square brackets. Behind a "
    "sentence that relies on a section, write the number of that section: [2]. For two sections: [2][5]. Write no "
    "other numbers in square brackets, and no list of sources. The reader sees the names of the sections instead."
)
_MARK = re.compile(r"[ \t]?\[(?=[^\]]{1,40}\])(\d{1,3}(?:[ \t]*[,;][ \t]*\d{1,3})*)\]")
# What may become a mark, or ticks of which there may be more, at the end of what has come so far.
_OPEN = re.compile(r"[ \t]?\[[\d \t,;]{0,40}\]?\Z|(?<!`)`{1,64}\Z|(?<!~)~{1,64}\Z|[ \t]\Z")
_TOKEN = re.compile(r"`+|~+|\n|[ \t]?\[")
_SPECIAL = re.compile(r"[`~\[]")
_LEAD = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*")
"""What may stand before a fence on its line: quotes and marks of lists."""
_FENCE = 3
_LONGEST_LEAD = 80


def asks_for_marks(request: ModelRequest) -> bool:
    """Whether `RULE` belongs into a request. The same in all turns of a shop, also where nothing was found for one."""
    return bool(request.sections or request.tools or request.found)


def numbers_of(known: Iterable[str]) -> dict[str, int]:
    """The ids of sections → their numbers, which count from 1 in their order."""
    return {section_id: number for number, section_id in enumerate(dict.fromkeys(known), 1)}


def listed(sections: Sequence[Source], numbers: Mapping[str, int]) -> str:
    """Sections as text, each under its number; empty when there are none with words."""
    return "\n\n".join(
        f"[{numbers[one.section_id]}] {name_of(one)}\n{one.text.strip()}" for one in sections if one.text.strip()
    )


def name_of(section: Source) -> str:
    """Title and heading on one line."""
    return ": ".join(filter(None, (section.title, section.heading))) or section.section_id


class Marks:
    """Takes the marks out of a text that comes in pieces, and tells which sections they name.

    However the text is cut, the outcome is the same: what may become a mark is held back until it is clear. A number
    that no section has is dropped with its mark. In code nothing is a mark, and neither is the text of a link.
    """

    def __init__(self, section_ids: Sequence[str]) -> None:
        self._ids = section_ids
        self._cited: set[str] = set()
        self._rest = ""
        self._line = ""
        """The line so far, as much of it as matters."""
        self._ticks = 0
        """So many backticks have opened code in the line."""
        self._fence = ""

    def feed(self, piece: str, *, ended: bool = False) -> Iterator[TextDelta | Cited]:
        """What this piece adds. `ended`: no other comes."""
        text, self._rest = self._rest + piece, ""
        if not ended and (found := _OPEN.search(text)):
            text, self._rest = text[: found.start()], text[found.start() :]
        if not text:
            return
        if _SPECIAL.search(text) is None and not (self._ticks or self._fence):
            self._pass(text)
            yield TextDelta(text)
            return
        kept: list[str] = []
        cited: list[str] = []
        at = 0
        while at < len(text):
            at = self._step(text, at, kept, cited)
        if kept:
            yield TextDelta("".join(kept))
        yield from map(Cited, cited)

    def _step(self, text: str, at: int, kept: list[str], cited: list[str]) -> int:
        """Handle what stands at a place; where the next thing stands."""
        found = _TOKEN.search(text, at)
        if found is None or found.start() > at:
            end = found.start() if found else len(text)
            kept.append(text[at:end])
            self._line = (self._line + text[at:end])[:_LONGEST_LEAD]
            return end
        token = found[0]
        if token == "\n":
            self._newline()
        elif token[0] in "`~":
            self._code(token)
        elif (mark := _MARK.match(text, at)) and not self._is_text(text, mark):
            self._cite(mark[1], cited)
            return mark.end()
        kept.append(token)
        if token != "\n":
            self._line = (self._line + token)[:_LONGEST_LEAD]
        return found.end()

    def _is_text(self, text: str, mark: re.Match[str]) -> bool:
        """Whether something that reads like a mark is none: code, a link, or the definition of one."""
        follows = text[mark.end() : mark.end() + 1]
        begins = not self._line.strip() and follows == ":"
        return bool(self._ticks or self._fence) or follows == "(" or begins

    def _cite(self, written: str, cited: list[str]) -> None:
        for number in map(int, re.findall(r"\d+", written)):
            section_id = self._ids[number - 1] if 0 < number <= len(self._ids) else None
            if section_id is not None and section_id not in self._cited:
                self._cited.add(section_id)
                cited.append(section_id)

    def _code(self, run: str) -> None:
        lead = _LEAD.fullmatch(self._line) is not None
        if self._fence:
            if lead and run[0] == self._fence[0] and len(run) >= len(self._fence):
                self._fence = ""
        elif lead and len(run) >= _FENCE:
            self._fence, self._ticks = run, 0
        elif run[0] == "`":
            # Of another length than those that opened the code, they are part of it.
            if not self._ticks:
                self._ticks = len(run)
            elif self._ticks == len(run):
                self._ticks = 0

    def _newline(self) -> None:
        if not self._line.strip():
            self._ticks = 0  # no code in a line reaches beyond its paragraph
        self._line = ""

    def _pass(self, text: str) -> None:
        """Remember the line that a text without any sign ends in."""
        _, newline, line = text.rpartition("\n")
        self._line = (line if newline else self._line + text)[:_LONGEST_LEAD]

"""Links whose address stands elsewhere: `[words][label]`, and the line `[label]: address`.

No line that defines an address is shown while the text grows, and words with a label behind them are shown as
words from the first look on: their link is added once its definition is there. A `[label]` alone stays as it
stands if its definition comes later, and becomes a link as a whole: a citation mostly. Words behind a letter
(`a[i][j]`), or whose label stands above in a line that does not define it, stay as they stand.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import regex

from bot.reply.blocks import Line, Scan, indent_of, scan

_LABEL = r"\[(?P<label>(?:[^\[\]\\\n]|\\.){1,200})\]"
_TITLE = r"(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\)))?[ \t]*\n?"
_DEFINITION = regex.compile(rf"{_LABEL}:[ \t]*(?:<(?P<angled>[^<>\n]*)>|(?P<bare>[^\s<>]+)){_TITLE}")
_A_WORD = regex.compile(r"\p{L}[\p{L}\p{M}]*[.!?]?")
_OTHER = regex.compile(r"\[(?:[^\[\]\\\n]|\\.)+\]:")
_REFERENCE = regex.compile(
    r"\\.|(?<!`)(?P<ticks>`++)(?s:.*?)(?<!`)(?P=ticks)(?!`)"
    r"|(?P<image>!?)\[(?P<words>(?:[^\[\]\\`]|\\.|`[^`\n]*`)+)\](?:\[(?P<label>[^\[\]]*)\](?!\()|(?![\[(:]))"
)
_NUMBER = regex.compile(r"\^.*|\d+")
_ITEM_NUMBER = regex.compile(r"\d{1,9}(?=[.)](?:\s|$))")
# What would end an address in angles, a cell or a span of code.
_CODES = {ord("|"): "%7C", ord("`"): "%60"}
_FILLED = ("text", "item", "heading", "head", "row")
_LEFT = ("text", "head", "delimiter", "row")
_RULED = regex.compile(r"[|: ]*-[|:\- ]*\s*")


@dataclass(frozen=True, slots=True)
class Definition:
    """Where a link leads. `at`: where in the source it stands."""

    address: str
    at: int


def may_define(line: str) -> bool:
    """Whether a line that is still being written may come to define an address."""
    return line.startswith("[") and _DEFINITION.fullmatch(line, partial=True) is not None


class References:
    """What is defined in a whole text that grows, and each of its messages with it."""

    def __init__(self) -> None:
        self._scan = Scan()
        self._ended = False
        self._known: dict[str, Definition] = {}
        self._shown: set[int] = set()
        # Labels of lines that look like definitions and are none, and where the first of each stands.
        self._tried: dict[str, int] = {}
        # What was made of the messages with what was known then.
        self._made: dict[int, tuple[str, str]] = {}

    def look(self, source: str, *, ended: bool = False) -> None:
        """The text so far; it begins with the one of the last call."""
        if ended != self._ended:
            self._made.clear()
        self._ended = ended
        if "]:" not in source:
            return
        lines = self._scan.lines(source)
        found = [*_definitions(source, lines)]
        self._tried = _tried(source, lines, {match.start() for match in found})
        if found and not ended and not found[-1][0].endswith("\n"):
            found.pop()  # It is being written.
        known: dict[str, Definition] = {}
        for match in found:
            address = (match["angled"] or match["bare"] or "").translate(_CODES)
            known.setdefault(_folded(match["label"]), Definition(address, match.start()))
        if known != self._known:
            self._known = known
            self._made.clear()
        if ended:
            self._shown = _unused(source, found)

    def in_message(self, text: str, start: int, fits: Callable[[str], bool]) -> str:
        """A message of the text that begins at a place in the source: with links, or without them if it would
        become too long. Empty if it does nothing but define."""
        if "]:" not in text and "][" not in text and not self._known:
            return text
        before, made = self._made.get(start, ("", ""))
        if before == text:
            return made
        for with_links in (True, False):
            made = "".join(self._pieces(text, start, with_links=with_links)).strip("\n").rstrip()
            if made == text or fits(made):
                break
        self._made[start] = (text, made)
        return made

    def _pieces(self, text: str, start: int, *, with_links: bool) -> Iterator[str]:
        lines = scan(text)
        defining = {match.start(): match for match in _definitions(text, lines)}
        # The quotes and the indent of a definition that was taken out right above.
        above = (0, 0)
        for first, last in _paragraphs(lines):
            at, end = lines[first].start, lines[last].end
            place = lines[first].quotes, indent_of(text[at:end], lines[first].quotes)
            is_left = lines[first].kind in _LEFT and place < above
            above = above if is_left else (0, 0)
            if is_left and _RULED.fullmatch(text, at, end):
                # Below the words of a list or quote, but out of it, it makes no table.
                yield text[at:end].replace("-", "\\-", 1)
                continue
            if lines[first].kind not in _FILLED or lines[first].fence is not None:
                yield text[at:end]
                continue
            content = begins = lines[first].content
            number = first
            while (match := defining.get(content)) is not None:
                if start + content in self._shown:
                    yield f"{text[at:content]}\\{match[0]}"
                    at = match.end()
                number += 1
                content = lines[number].content if number <= last else end
            if content == end and lines[first].kind == "text":
                in_list = any(line.kind == "item" for line in lines[:first])
                above = place[0], place[1] if in_list else 0
                continue
            yield text[at:begins]
            if number > first and (count := _ITEM_NUMBER.match(text, content, end)) is not None:
                # Above it was the beginning of a paragraph, which such a number does not end.
                yield f"{count[0]}\\"
                content = count.end()
            if _OTHER.match(text, content, end):
                yield "\\"
            linked = partial(self._linked, start=start + content, with_links=with_links)
            yield _REFERENCE.sub(linked, text[content:end])

    def _linked(self, match: "regex.Match[str]", *, start: int, with_links: bool) -> str:
        words = match["words"]
        if words is None:
            return match[0]
        label = match["label"]
        name = _folded(label or words)
        found = self._known.get(name)
        if found is None:
            return words if label is not None and self._is_open(match, name, start) else match[0]
        if label is None and (found.at > start + match.start() or words.startswith("^")):
            words = f"\\[{words}\\]"
        return f"{match['image']}[{words}](<{found.address}>)" if with_links else words

    def _is_open(self, match: "regex.Match[str]", name: str, start: int) -> bool:
        """Whether an address is still to be expected for words with a label behind them."""
        at = match.start()
        if self._ended or _NUMBER.fullmatch(match["words"]) or match.string[max(0, at - 1) : at].isalnum():
            return False
        return self._tried.get(name, len(match.string) + start) > start + at


def _unused(source: str, definitions: "list[regex.Match[str]]") -> set[int]:
    """The definitions at the end that no link uses: they were meant as words. (Shown in the middle of a text they
    would push away what is below.)"""
    used = {_folded(match["label"] or match["words"]) for match in _REFERENCE.finditer(source) if match["words"]}
    found, end = set[int](), len(source.rstrip())
    for match in reversed(definitions):
        if match.end() < end:
            break
        end = len(source[: match.start()].rstrip())
        if _folded(match["label"]) not in used:
            found.add(match.start())
    return found


def _tried(source: str, lines: list[Line], defining: set[int]) -> dict[str, int]:
    """Labels of lines that look like definitions and are none: in a paragraph, or without an address."""
    found: dict[str, int] = {}
    for line in lines:
        at = line.content
        if not source.startswith("[", at) or at in defining or line.fence is not None or source[line.end - 1] != "\n":
            continue
        match = _OTHER.match(source, at, line.end)
        if match is not None:
            found.setdefault(_folded(match[0][1:-2]), at)
    return found


def _definitions(text: str, lines: list[Line]) -> Iterator["regex.Match[str]"]:
    for number, line in enumerate(lines):
        if line.kind not in ("text", "item") or not line.opens:
            continue
        at = line.content
        while (match := _DEFINITION.match(text, at)) is not None and (
            match[0].endswith("\n") or match.end() == len(text)
        ):
            bare = match["bare"] or ""
            if _A_WORD.fullmatch(bare) or bare.count("(") != bare.count(")"):
                break
            yield match
            number += 1
            if number == len(lines) or lines[number].opens or lines[number].kind != "text":
                break
            at = lines[number].content


def _paragraphs(lines: list[Line]) -> Iterator[tuple[int, int]]:
    first = 0
    for number in range(1, len(lines) + 1):
        if number == len(lines) or lines[number].opens or lines[number].kind not in ("text",):
            yield first, number - 1
            first = number


def _folded(label: str) -> str:
    return " ".join(label.split()).casefold()

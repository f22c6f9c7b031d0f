"""Reads YAML as plain nodes that know their lines: nothing is constructed, `no` stays a word and 500.000 text."""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from bot.policies.findings import Findings

_MAX_DEPTH = 6
_MAX_NODES = 20_000
# The C library's reader is ten times as fast; not every system has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Text:
    """A word or a text, as it is written."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    line: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Keys and what stands behind them; a key may be there twice."""

    line: int
    pairs: tuple[tuple["Node", "Node"], ...]


Node = Text | Items | Pairs


class _Wrong(Exception):
    def __init__(self, line: int, reason: str, fix: str) -> None:
        self.line, self.reason, self.fix = line, reason, fix
        super().__init__(reason)


def read_node(text: str, findings: Findings) -> Node | None:
    """The one document of a file; None when there is none, or when something is wrong with it.

    Without aliases (a few of them can stand for gigabytes), and not deeper or longer than needed.
    """
    try:
        return _Reader(yaml.parse(text, Loader=_LOADER)).read()
    except _Wrong as exc:
        findings.add(exc.line, exc.reason, exc.fix)
    except yaml.MarkedYAMLError as exc:
        line, reason, fix = explained(exc)
        findings.add(line, f"this is no valid YAML: {reason}.", fix)
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        findings.add(line, "there is a character that YAML does not allow.", "Delete it.")
    return None


def explained(exc: yaml.MarkedYAMLError) -> tuple[int, str, str]:
    """On which line of the text YAML is broken (0: unknown), how, and what to do.

    What is opened and never closed is wrong where it begins; the reader notices at the end of the file.
    """
    context, begins = exc.context or "", exc.context_mark
    if begins and "quoted" in context:
        return begins.line + 1, "the quote that begins here never ends", "Close it with the same mark."
    if begins and "flow" in context:
        reason = "the list in brackets that begins here never ends, or lacks a comma"
        return begins.line + 1, reason, "Close it, and put a comma between two entries."
    mark = exc.problem_mark or begins
    reason = exc.problem or context
    return mark.line + 1 if mark else 0, reason, "Put the text behind the colon into double quotes."


class _Reader:
    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._count = 0

    def read(self) -> Node | None:
        node: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if node is not None:
                    raise _Wrong(_line(event), "a second document begins here.", "Delete the line with ---.")
                node = self._node(next(self._events), 1)
        return node

    def _node(self, event: yaml.Event, depth: int) -> Node:
        line = _line(event)
        self._count += 1
        if self._count > _MAX_NODES:
            raise _Wrong(line, f"there are more than {_MAX_NODES:,} words and lists.", "Make two files of it.")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _Wrong(line, "anchors (&) and aliases (*) are not allowed.", "Put a text that begins so into quotes.")
        if getattr(event, "tag", None):
            raise _Wrong(line, "tags (!) are not allowed.", "Put a text that begins so into quotes.")
        if depth > _MAX_DEPTH:
            raise _Wrong(line, "it is nested too deeply.", "Write a list of tests, each with its keys.")
        if isinstance(event, yaml.ScalarEvent):
            return Text(line, event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return Items(line, tuple(self._children(yaml.SequenceEndEvent, depth)))
        children = list(self._children(yaml.MappingEndEvent, depth))
        return Pairs(line, tuple(zip(children[::2], children[1::2], strict=True)))

    def _children(self, end: type[yaml.Event], depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), end):
            yield self._node(event, depth + 1)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0

"""What the visitors of the page see now, and what each open stream still has to be sent of it.

Nothing is queued for a stream. A `Feed` only remembers how much of each message it has sent; what goes
out next is worked out from the newest state when the network can take it. So a slow reader costs a few
numbers, never blocks a writer, and jumps over everything that was overtaken meanwhile.
"""

import asyncio
import json
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.chat import PastMessage, Role, Source
from bot.text import utf16_units

PIECE = 4_096
"""Characters of a text in one event."""
CHUNK = 16_384
"""A feed hands out about this many bytes at a time; one event more may come on top."""
KEPT = 24
"""Finished messages that a conversation keeps at hand; older ones are read from the transcript."""
_STEPS = 4_096
_DROPPED = 1_000
_STARTS = 8
_SOURCES = 5
_SOURCE_TEXT = 3_000


@dataclass(slots=True)
class Message:
    """One message as it stands. The numbers are those of the conversation's changes."""

    key: str
    role: Role
    text: str
    at: datetime
    growing: bool = False
    sources: tuple[Source, ...] = ()
    epoch: int = 0
    """The change that last replaced the text instead of adding to it."""
    detail: int = 0
    """The change that last touched `growing` or `sources`."""
    version: int = 0
    steps: list[tuple[int, int]] = field(default_factory=list)
    """(change, length of the text after it) since `epoch`."""

    def length_at(self, change: int) -> int | None:
        """How much of the present text was there at a change; None when it was another text."""
        index = bisect_right(self.steps, change, key=lambda step: step[0])
        return self.steps[index - 1][1] if index else None


class Conversation:
    """The live part of one visitor's conversation: what changed since it was loaded, and who looks at it."""

    def __init__(self, numbers: Iterator[int], *, now: float, kept: int = KEPT) -> None:
        self._numbers = numbers
        self._kept = kept
        self.last = self.floor = self.cleared = next(numbers)
        self.messages: dict[str, Message] = {}
        self.removed: dict[str, int] = {}
        self.feeds: list[Feed] = []
        self.typing = 0
        self.touched = now
        self.posts = 0.0
        self.posts_at = now
        self.dropped: dict[str, None] = {}
        """Keys of before a start afresh; the oldest ones are forgotten."""
        self.afresh = 0
        """The change that last started afresh, 0 when none did: an answer to a question of before stays out."""
        self.clearing = 0
        """Starts afresh that are not stored yet: what the transcript holds of before is not to be shown."""
        self.starts: dict[str, None] = {}
        """Ids of the newest starts afresh: one that is posted again must not take what came behind it."""
        self._before_clear: tuple[dict[str, None], int] = ({}, 0)

    @property
    def at_work(self) -> bool:
        """Whether somebody looks at it or something in it grows."""
        return bool(self.feeds) or any(message.growing for message in self.messages.values())

    def show(
        self,
        key: str,
        role: Role,
        text: str,
        *,
        at: datetime,
        growing: bool = False,
        sources: Sequence[Source] = (),
        asked: int | None = None,
    ) -> None:
        """Make a message show this. The same again changes nothing; one of before a start afresh stays gone.

        `asked` is the change at which the question that this answers was here; None: not known.
        """
        if asked is not None and asked < self.afresh:
            self._drop([key])
        if key in self.dropped:
            return
        shown = tuple(sources)
        message = self.messages.get(key)
        if message is None:
            message = self.messages[key] = Message(key, role, "", at)
            message.epoch = message.detail = self._next(message)
            message.text, message.growing, message.sources = text, growing, shown
            message.steps = [(message.epoch, len(text))]
            self.removed.pop(key, None)
        elif message.text == text and (message.growing, message.sources) == (growing, shown):
            return
        else:
            self._change(message, text, growing, shown)
        self._trim()
        self._wake()

    def withdraw(self, key: str) -> None:
        """Take a message away that turned out not to be stored."""
        self.messages.pop(key, None)
        self.last = self.removed[key] = next(self._numbers)
        if len(self.removed) > self._kept:
            self.floor = max(self.floor, self.removed.pop(next(iter(self.removed))))
        self._wake()

    def clear(self, start: str = "") -> None:
        """Start afresh: nothing of before is visible any more, nor comes back when it is edited late. As soon as it is
        known whether that is stored, `keep_clear` or `undo_clear` must be called. `start` is the id of the wish."""
        self.starts[start] = None
        if len(self.starts) > _STARTS:
            del self.starts[next(iter(self.starts))]
        self._before_clear = (dict(self.dropped), self.afresh)
        self.clearing += 1
        self._drop(self.messages)
        self.messages.clear()
        self.removed.clear()
        self.last = self.cleared = self.floor = self.afresh = next(self._numbers)
        self._wake()

    def keep_clear(self) -> None:
        """The start afresh is stored: the transcript begins behind it."""
        self.clearing -= 1

    def undo_clear(self, start: str = "") -> None:
        """The start afresh was not stored: everybody is shown the transcript again."""
        self.starts.pop(start, None)
        self.clearing -= 1
        self.dropped, self.afresh = self._before_clear
        self.last = self.floor = next(self._numbers)
        self._wake()

    def show_typing(self) -> None:
        self.typing += 1
        self._wake()

    def _drop(self, keys: Iterable[str]) -> None:
        self.dropped.update(dict.fromkeys(keys))
        for oldest in list(self.dropped)[:-_DROPPED]:
            del self.dropped[oldest]

    def _change(self, message: Message, text: str, growing: bool, sources: tuple[Source, ...]) -> None:
        change = self._next(message)
        if not text.startswith(message.text):
            message.epoch = change
            message.steps.clear()
        if text != message.text:
            if len(message.steps) >= _STEPS:
                del message.steps[: _STEPS // 2]
            message.steps.append((change, len(text)))
        if (message.growing, message.sources) != (growing, sources):
            message.detail = change
        message.text, message.growing, message.sources = text, growing, sources

    def _next(self, message: Message) -> int:
        self.last = message.version = next(self._numbers)
        return self.last

    def _trim(self) -> None:
        if any(feed.opening for feed in self.feeds):
            return
        while len(self.messages) > self._kept:
            oldest = next(iter(self.messages.values()))
            if oldest.growing:
                return
            del self.messages[oldest.key]
            self.floor = max(self.floor, oldest.version)

    def _wake(self) -> None:
        for feed in self.feeds:
            feed.wake.set()


@dataclass(slots=True)
class _Cursor:
    epoch: int
    sent: int
    units: int
    detail: int


class Feed:
    """One open stream of a conversation: `take` gives what to send next, `wake` is set when there is more.

    `boot` makes the event ids of two processes differ, `key_of` turns a message's key into what the page
    calls it. `opening` is whether the stream still needs the transcript: `open_with` hands it over.
    """

    def __init__(
        self, conversation: Conversation, *, boot: str, after: str | None, key_of: Callable[[str], str] = str
    ) -> None:
        self.wake = asyncio.Event()
        self.crowded = self.closed = False
        self._conversation = conversation
        self._boot = boot
        self._key_of = key_of
        self._cursors: dict[str, _Cursor] = {}
        self._past: OrderedDict[str, Message] = OrderedDict()
        self._told = self._number(after)
        self._cleared = conversation.cleared
        self._typing = conversation.typing
        self._snapshot: str | None = None
        self.opening = self._told is None
        if self._told is not None:
            self._resume(self._told)

    @property
    def needs_transcript(self) -> bool:
        """Whether `open_with` must be called before `take`."""
        conversation = self._conversation
        if self._told is not None and self._told < conversation.floor > conversation.cleared:
            # Messages were let go of that this reader has not seen.
            self.opening, self._snapshot = True, None
        return self.opening and self._snapshot is None

    @property
    def remembers(self) -> int:
        """Of how many messages it knows how much was sent."""
        return len(self._cursors)

    def open_with(self, past: Sequence[PastMessage], **extra: object) -> None:
        """Begin a snapshot: the transcript as far as it is not live, then all that is live."""
        conversation = self._conversation
        self._past = OrderedDict(
            (item.key, Message(item.key, item.role, item.text, item.at, sources=item.sources))
            for item in past
            if item.key not in conversation.messages and item.key not in conversation.dropped
        )
        self._cursors.clear()
        self._told = conversation.last
        self._cleared = conversation.cleared
        self._snapshot = _event("snapshot", extra)

    def take(self) -> bytes:
        """What to send next: whole events, about `CHUNK` bytes; empty when all is sent.

        The last event carries the id. Until it came, a reader that comes back is sent the same again,
        which changes nothing for him: every event says where it belongs.
        """
        out: list[str] = []
        size = 0
        for event in self._events():
            if not event.startswith("id:") or event.endswith("\n\n"):
                out.append(event)
            elif out:
                out[-1] = event + out[-1]
            else:
                out.append(event + _event("upto", {}))
            size += len(event)
            if size >= CHUNK // 2:
                break
        return "".join(out).encode("utf-8", "replace")

    def close(self, *, crowded: bool = False) -> None:
        """End the stream. `crowded`: because the visitor has too many open."""
        self.closed = True
        self.crowded = crowded
        self.wake.set()

    def _events(self) -> Iterator[str]:
        """What is missing, one event at a time; an `id:` line of its own when that was all.

        It may be left after any event: what was sent is noted before it is handed out.
        """
        conversation = self._conversation
        if self._snapshot:
            event, self._snapshot = self._snapshot, ""
            yield event
        if self._cleared < conversation.cleared:
            self._cleared = conversation.cleared
            self._cursors.clear()
            self._past.clear()
            yield _event("clear", {})
        while self._past:
            key, message = next(iter(self._past.items()))
            yield from self._missing(message)
            del self._past[key], self._cursors[key]
        told = self._told or 0
        if told < conversation.last or self.opening:
            for key, change in list(conversation.removed.items()):
                if change > told:
                    yield _event("remove", {"key": self._key_of(key)})
            for message in list(conversation.messages.values()):
                if message.version > told or self.opening:
                    yield from self._missing(message)
            self._told = conversation.last
            self._let_go()
            mark = f"id: {self._boot}-{conversation.last}\n"
            if self.opening:
                self.opening, self._snapshot = False, None
                mark += _event("shown", {})
            yield mark
        if self._typing != conversation.typing:
            self._typing = conversation.typing
            yield _event("typing", {})

    def _missing(self, message: Message) -> Iterator[str]:
        cursor = self._cursors.get(message.key)
        key = self._key_of(message.key)
        if cursor is None or cursor.epoch != message.epoch:
            piece = message.text[:PIECE]
            whole = len(piece) == len(message.text)
            cursor = _Cursor(message.epoch, len(piece), utf16_units(piece), message.detail if whole else -1)
            self._cursors[message.key] = cursor
            data: dict[str, Any] = {
                "key": key,
                "role": message.role,
                "text": piece,
                "at": int(message.at.timestamp() * 1000),
                "growing": message.growing or not whole,
                "cut": not whole,
                "sources": _sources(message.sources) if whole else [],
            }
            yield _event("message", data)
        while cursor.sent < len(message.text):
            piece = message.text[cursor.sent : cursor.sent + PIECE]
            start = cursor.units
            cursor.sent += len(piece)
            cursor.units += utf16_units(piece)
            yield _event("append", {"key": key, "at": start, "text": piece, "cut": cursor.sent < len(message.text)})
        if cursor.detail != message.detail:
            cursor.detail = message.detail
            yield _event("settle", {"key": key, "growing": message.growing, "sources": _sources(message.sources)})

    def _let_go(self) -> None:
        """What the conversation has let go of comes back, if it does, as a message of its own."""
        live = self._conversation.messages
        if len(self._cursors) > len(live):
            self._cursors = {key: cursor for key, cursor in self._cursors.items() if key in live}

    def _number(self, after: str | None) -> int | None:
        boot, _, digits = (after or "").rpartition("-")
        if boot != self._boot or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
            return None
        number = int(digits)
        return number if self._conversation.floor <= number <= self._conversation.last else None

    def _resume(self, told: int) -> None:
        for message in self._conversation.messages.values():
            if (length := message.length_at(told)) is not None:
                units = utf16_units(message.text[:length])
                detail = message.detail if message.detail <= told else -1
                self._cursors[message.key] = _Cursor(message.epoch, length, units, detail)


def _sources(sources: Sequence[Source]) -> list[dict[str, str | None]]:
    return [
        {"title": source.title, "heading": source.heading, "text": source.text[:_SOURCE_TEXT], "url": source.url}
        for source in sources[:_SOURCES]
    ]


def _event(kind: str, data: object) -> str:
    """One Server-Sent Event; JSON keeps its data on one line."""
    return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"

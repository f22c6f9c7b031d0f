"""Doubles for tests: a chat platform with a transcript, as strict as a real one, and a loop whose time jumps."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from bot.chat import Address, Attachment, MessageLimits, MessageRef, OutboundMessage, Ready, Receive
from bot.errors import MessageGone, MessageRefused, RateLimited, Unavailable

T = TypeVar("T")

TELEGRAM = MessageLimits(
    max_units=4096,
    min_interval=1.2,
    chat_calls_per_second=1.0,
    chat_burst=3,
    group_calls_per_minute=20.0,
    calls_per_second=30.0,
    calls_burst=30,
)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that waits for nothing: when all tasks sleep, its time jumps to the next timer."""

    def __init__(self) -> None:
        self._now = 1000.0
        super().__init__(_Jump(self))
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        self._now += seconds


class _Jump(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout is None:
            raise RuntimeError("all tasks wait for something that will never happen")
        if not events and timeout:
            self._loop.jump(timeout)
        return events


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a `VirtualLoop`."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the platform received; times are the loop's."""

    op: Literal["send", "edit", "delete", "typing"]
    to: Address
    message_id: str
    text: str
    growing: bool
    key: str
    began: float
    arrived: float
    ended: float = 0.0
    error: str = ""
    retry_after: float = 0.0
    message: OutboundMessage | None = None


@dataclass(slots=True)
class Shown:
    """A message as its reader sees it."""

    ref: MessageRef
    text: str
    growing: bool
    message: OutboundMessage


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a call. `applied`: it takes effect all the same."""

    error: Exception
    applied: bool = False


Faults = Callable[["Call", int], "Fault | Exception | None"]
"""Is given each call and its number (from 0), and says what goes wrong with it."""


class _ServerBucket:
    def __init__(self, rate: float, size: float) -> None:
        self._rate, self._size, self._level = rate, size, size
        self._at = 0.0

    def refill(self, now: float) -> float:
        self._level = min(self._size, self._level + (now - self._at) * self._rate)
        self._at = now
        return max(0.0, (1 - self._level) / self._rate)

    def take(self) -> None:
        self._level -= 1


@dataclass(slots=True)
class FakePlatform:
    """A `ChatPlatform` in memory. `strict`: it answers 429 as soon as one of its own limits is exceeded, and
    counts a call when it arrives, which is half of `latency` after it was made."""

    name: str = "fake"
    limits: MessageLimits = field(default_factory=lambda: TELEGRAM)
    latency: Callable[[], float] = lambda: 0.05
    strict: bool = True
    groups: frozenset[str] = frozenset()
    faults: Faults = lambda call, number: None
    calls: list[Call] = field(default_factory=list)
    messages: dict[str, Shown] = field(default_factory=dict)
    by_key: dict[str, str] = field(default_factory=dict)
    deduplicates: bool = False
    """A send with a key that was seen before answers with the message of then, as Discord does."""
    drafts_last: float | None = None
    """A growing message is a draft that vanishes after so many seconds; its final text is sent as a message."""
    drafts: dict[str, tuple[Address, str, float]] = field(default_factory=dict)
    """Draft → where it is, what it shows, until when."""
    overlaps: int = 0
    _busy: set[str] = field(default_factory=set)
    _buckets: dict[str, _ServerBucket] = field(default_factory=dict)
    _minutes: dict[str, list[float]] = field(default_factory=dict)
    _number: int = 0
    _made: int = 0

    async def run(self, receive: Receive, ready: Ready) -> None:
        ready("as a fake")
        await asyncio.Event().wait()

    async def close(self) -> None: ...

    def measure(self, text: str) -> int:
        return len(text.encode("utf-16-le", "surrogatepass")) // 2

    def is_group(self, at: Address) -> bool:
        return at.chat_id in self.groups

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        call = await self._receive("send", to, "", message, key)
        return self._ref(to, call.message_id)

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        call = await self._receive("edit", ref.address, ref.message_id, message, "")
        return self._ref(ref.address, call.message_id)

    def _ref(self, to: Address, message_id: str) -> MessageRef:
        return MessageRef(
            to, message_id, 0.75 * self.drafts_last if self.drafts_last and message_id in self.drafts else None
        )

    async def delete(self, ref: MessageRef) -> None:
        await self._receive("delete", ref.address, ref.message_id, None, "")

    async def show_typing(self, at: Address) -> None:
        await self._receive("typing", at, "", None, "")

    async def download(self, attachment: Attachment, *, limit: int) -> bytes:
        return b""

    def chat(self, chat_id: str) -> list[str]:
        """The texts that a chat shows, oldest first."""
        return [shown.text for shown in self.messages.values() if shown.ref.address.chat_id == chat_id]

    def of(self, chat_id: str, *, op: str | None = None) -> list[Call]:
        """The calls to one chat."""
        return [call for call in self.calls if call.to.chat_id == chat_id and (op is None or call.op == op)]

    def texts(self) -> list[Call]:
        """All sends and edits."""
        return [call for call in self.calls if call.op in ("send", "edit")]

    def failed(self) -> Mapping[str, int]:
        """How many calls ended in which error."""
        found: dict[str, int] = {}
        for call in self.calls:
            if call.error:
                found[call.error] = found.get(call.error, 0) + 1
        return found

    async def _receive(
        self,
        op: Literal["send", "edit", "delete", "typing"],
        to: Address,
        message_id: str,
        message: OutboundMessage | None,
        key: str,
    ) -> Call:
        loop = asyncio.get_running_loop()
        began, latency = loop.time(), self.latency()
        busy = f"{to.chat_id}/{key or message_id}" if op in ("send", "edit") else ""
        self.overlaps += busy in self._busy
        if busy:
            self._busy.add(busy)
        try:
            await asyncio.sleep(latency / 2)
            call = Call(
                op, to, message_id, message.text if message else "", bool(message and message.growing), key, began,
                loop.time(), message=message,
            )  # fmt: skip
            call, error = self._handle(call, message)
            await asyncio.sleep(latency / 2)
            name = type(error).__name__ if error else ""
            retry_after = error.retry_after if isinstance(error, RateLimited) else 0.0
            self.calls.append(replace(call, ended=loop.time(), error=name, retry_after=retry_after))
            if error:
                raise error
            return call
        finally:
            self._busy.discard(busy)

    def _handle(self, call: Call, message: OutboundMessage | None) -> tuple[Call, Exception | None]:
        fault = self.faults(call, self._number)
        self._number += 1
        if isinstance(fault, Exception):
            fault = Fault(fault)
        if fault is not None and not fault.applied:
            return call, fault.error
        if message is None:
            if call.op == "delete":
                self.messages.pop(call.message_id, None)
            return call, fault.error if fault else None
        if self.strict and (wait := self._flood(call)) > 0:
            return call, RateLimited(wait)
        if not message.text.strip() or self.measure(message.text) > self.limits.max_units:
            return call, MessageRefused("empty or too long")
        call, error = self._apply(call, message)
        return call, fault.error if fault else error

    def _apply(self, call: Call, message: OutboundMessage) -> tuple[Call, Exception | None]:
        if self.drafts_last is not None and (call.op == "send" or call.message_id.startswith("draft:")):
            return self._apply_draft(call, message, self.drafts_last), None
        if call.op == "send":
            message_id = self.by_key.get(call.key, "") if self.deduplicates else ""
            if not message_id:
                message_id = self._next_id()
                self.by_key[call.key] = message_id
                ref = MessageRef(call.to, message_id)
                self.messages[message_id] = Shown(ref, message.text, message.growing, message)
            return replace(call, message_id=message_id), None
        shown = self.messages.get(call.message_id)
        if shown is None:
            return call, MessageGone("no such message")
        shown.text, shown.growing, shown.message = message.text, message.growing, message
        return call, None

    def _next_id(self) -> str:
        self._made += 1
        return str(self._made)

    def _apply_draft(self, call: Call, message: OutboundMessage, lasts: float) -> Call:
        if message.growing:
            draft = call.message_id or f"draft:{call.key}"
            self.drafts[draft] = (call.to, message.text, call.arrived + lasts)
            return replace(call, message_id=draft)
        for draft in [draft for draft, (to, _, _) in self.drafts.items() if to == call.to]:
            del self.drafts[draft]
        message_id = self._next_id()
        self.messages[message_id] = Shown(MessageRef(call.to, message_id), message.text, False, message)
        return replace(call, message_id=message_id)

    def visible(self, chat_id: str) -> list[str]:
        """The texts that a chat shows now, with the drafts that have not vanished."""
        now = asyncio.get_running_loop().time()
        drafts = [text for to, text, until in self.drafts.values() if to.chat_id == chat_id and until > now]
        return self.chat(chat_id) + drafts

    def _flood(self, call: Call) -> float:
        limits, now = self.limits, call.arrived
        buckets = []
        if limits.chat_calls_per_second is not None:
            buckets.append((call.to.chat_id, limits.chat_calls_per_second, limits.chat_burst))
        if limits.calls_per_second is not None:
            buckets.append(("", limits.calls_per_second, limits.calls_burst))
        found = [self._buckets.setdefault(name, _ServerBucket(rate, size)) for name, rate, size in buckets]
        wait = max((bucket.refill(now) for bucket in found), default=0.0)
        minute = self._minutes.setdefault(call.to.chat_id, [])
        if limits.group_calls_per_minute is not None and call.to.chat_id in self.groups:
            minute[:] = [at for at in minute if at > now - 60]
            if len(minute) >= limits.group_calls_per_minute:
                wait = max(wait, minute[0] + 60 - now)
        if wait > 1e-6:
            return wait
        for bucket in found:
            bucket.take()
        minute.append(now)
        return 0.0


def cut_line(applied: bool) -> Fault:
    """A connection that broke before the answer came."""
    return Fault(Unavailable("the line was cut"), applied=applied)

"""One chat as the scheduler sees it: its replies in order of start, its budgets, its pace."""

from dataclasses import dataclass, field
from typing import Protocol

from bot.chat import Address, CallKind, MessageLimits, MessageRef, ReplyCall
from bot.errors import PlatformError
from bot.scheduler.budget import Bucket, Window

# The first two refreshes come this much sooner than the ones after them, at the expense of the burst.
_EARLY = 2
_EARLY_SHARE = 0.4
# Every later one comes a little later than the one before it: a long answer is read from its top.
_STRETCH = 1.1
_MOST_STRETCH = 2.5
_MINUTE = 60.0


class Reply(Protocol):
    """What the scheduler needs of a reply. All but `take` must be cheap."""

    @property
    def to(self) -> Address: ...

    @property
    def ended(self) -> bool:
        """No more text comes."""
        ...

    @property
    def done(self) -> bool:
        """It has ended and all that can be shown is shown."""
        ...

    @property
    def gone(self) -> bool:
        """Nobody reads there any more."""
        ...

    @property
    def gain(self) -> int:
        """About how many characters the next call would show that are not visible yet."""
        ...

    @property
    def refs(self) -> tuple[MessageRef, ...]: ...

    @property
    def first_visible_at(self) -> float | None: ...

    def next_kind(self) -> CallKind | None:
        """The kind of call that `take` would probably give."""
        ...

    def take(self, *, in_doubt: bool = False) -> ReplyCall | None:
        """The call to make now, with the newest text; None if all of it is visible. `in_doubt`: what is sent now
        may show twice."""
        ...

    def sent(self, call: ReplyCall, ref: MessageRef, *, at: float) -> None: ...

    def edited(self, call: ReplyCall, ref: MessageRef, *, at: float) -> None: ...

    def failed(self, call: ReplyCall, error: PlatformError) -> None: ...

    def vanished(self) -> None:
        """What it shows in messages that do not last has to be shown again."""
        ...


@dataclass(slots=True, eq=False)
class Entry:
    """One reply in its chat."""

    reply: Reply
    lane: "Lane"
    dirty: bool = False
    """It was announced since everything that it could show was visible."""
    kind: CallKind | None = None
    """What it waits for, `since` then."""
    since: float = 0.0
    refreshes: int = 0
    failures: int = 0
    not_before: float = 0.0
    dropped: bool = False
    signed_at: float = float("-inf")
    """When its last typing sign was begun."""

    def wants(self, now: float) -> CallKind | None:
        """The kind of call that it waits for."""
        kind = self.reply.next_kind() if self.dirty else None
        if kind is None:
            self.dirty = False
        if kind != self.kind:
            self.kind, self.since = kind, now
        return kind


@dataclass(slots=True, eq=False)
class Lane:
    """One chat. At most one call is in flight in it, which also keeps everything in order."""

    chat: str
    limits: MessageLimits
    bucket: Bucket | None
    window: Window | None
    entries: list[Entry] = field(default_factory=list)
    busy: bool = False
    queued: Entry | None = None
    version: int = 0
    blocked_until: float = 0.0
    landed_at: float = float("-inf")

    def first_in_line(self, now: float) -> Entry | None:
        """Who goes next: the oldest reply with its first words or its end; a refresh only if nobody else."""
        refresh = None
        for entry in self.entries:
            kind = entry.wants(now)
            if kind == "refresh":
                refresh = refresh or entry
            elif kind is not None:
                return entry
        return refresh

    def ready_at(self, entry: Entry, now: float) -> float:
        """When the call that `entry` waits for may go, as far as this chat is concerned.

        A refresh leaves one call of each budget to the end of the answer, so that the end never waits; it
        also keeps Discord's library away from the last call of a bucket, on which it blocks for seconds.
        """
        refresh = entry.kind == "refresh"
        at = max(now, self.blocked_until, entry.not_before)
        if refresh:
            at = max(at, self.landed_at + self._interval(entry))
        if self.bucket:
            keep = 1.0 if refresh and self.bucket.size >= 2 else 0.0
            at = max(at, self.bucket.ready_at(now, keep=keep))
        if self.window:
            at = max(at, self.window.ready_at(now, keep=self.window.size // 4 if refresh else 0))
        return at

    def _interval(self, entry: Entry) -> float:
        interval = self.limits.min_interval
        if self.bucket is None and self.window is None:
            return interval
        if self.window:
            return max(interval, _MINUTE / self.window.size)
        if entry.refreshes < _EARLY and self.bucket and self.bucket.size >= 3:
            return interval * _EARLY_SHARE
        return float(interval * min(_MOST_STRETCH, _STRETCH ** max(0, entry.refreshes - _EARLY)))

    def take(self, now: float) -> None:
        self.busy = True
        if self.bucket:
            self.bucket.take(now)
        if self.window:
            self.window.take()

    def landed(self, now: float) -> None:
        self.busy = False
        self.landed_at = now
        if self.bucket:
            self.bucket.landed(now)
        if self.window:
            self.window.landed(now)

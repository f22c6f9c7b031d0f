"""The budgets of an account and of its chats, as arithmetic on times that are passed in."""

import math
from collections import deque

# The clocks of two machines do not run alike, and a server may round.
_SAFETY = 0.99
# A process that was just started again must not rely on a full bucket: its predecessor may have emptied it.
_AT_START = 1 / 3
_SLOWEST = 1 / 4
_STEP_UP = 1.25
_STEP_EVERY = 2.0
# So many calls in a row that nobody had to wait for say the same as the time above, and sooner: an account that is
# meant as a whole has nearly all its calls refused, while single chats are refused among many that are not.
_STEP_CALLS = 8
_TOGETHER = 1.0
_PAUSE = 1.0
_MINUTE = 60.0


class Bucket:
    """A token bucket that is never fuller than the server's, which counts a call when it *arrives*.

    While calls are on their way the server's bucket may be full and throw its refill away, so this one
    fills up to `size` less the calls in flight only. With that, at equal rates, the server can never find
    its own bucket empty, whatever the delays on the way.
    """

    __slots__ = ("_at", "_in_flight", "_level", "_rate", "size")

    def __init__(self, *, rate: float, size: float, now: float, level: float | None = None) -> None:
        self.size = size
        self._rate = rate * _SAFETY
        self._level = size if level is None else level
        self._at = now
        self._in_flight = 0

    def level(self, now: float) -> float:
        """Calls that may go now."""
        if now > self._at:
            room = self.size - self._in_flight
            self._level = max(self._level, min(room, self._level + self._rate * (now - self._at)))
            self._at = now
        return self._level

    def ready_at(self, now: float, *, keep: float = 0.0) -> float:
        """When a call may go that leaves `keep` behind; infinity while that depends on calls in flight."""
        missing = 1 + keep - self.level(now)
        if missing <= 1e-9:
            return now
        if 1 + keep > self.size - self._in_flight:
            return math.inf
        return now + missing / self._rate

    def take(self, now: float) -> None:
        """A call goes out."""
        self._level = self.level(now) - 1
        self._in_flight += 1

    def landed(self, now: float) -> None:
        """A call has come back."""
        self.level(now)
        self._in_flight -= 1

    def change_rate(self, rate: float, now: float) -> None:
        self.level(now)
        self._rate = rate * _SAFETY


class Window:
    """At most `size` calls in any minute, as some platforms count for groups."""

    __slots__ = ("_in_flight", "_landed", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._landed: deque[float] = deque(maxlen=size)
        self._in_flight = 0

    def ready_at(self, now: float, *, keep: int = 0) -> float:
        """When a call may go that leaves `keep` behind; infinity while that depends on calls in flight."""
        free = self.size - keep - self._in_flight
        if free <= 0:
            return math.inf
        if len(self._landed) < free:
            return now
        return max(now, self._landed[-free] + _MINUTE / _SAFETY)

    def take(self) -> None:
        self._in_flight += 1

    def landed(self, now: float) -> None:
        self._in_flight -= 1
        self._landed.append(now)


class Account:
    """The budget of a whole account. A second chat that is told to wait within a second, or a platform that
    says that all are meant, halves the rate; it recovers step by step, with time and with calls that succeed.

    All calls pause only if none has come back well between the two refusals.
    """

    def __init__(self, *, rate: float | None, size: int, in_flight: int, now: float) -> None:
        self._rate = rate
        self._bucket = None if rate is None else Bucket(rate=rate, size=size, now=now, level=max(1.0, size * _AT_START))
        self._most_in_flight = in_flight
        self._in_flight = 0
        self._share = 1.0
        self._next_step_at = math.inf
        self._halved_at = -math.inf
        self._in_a_row = 0
        self._paused_until = -math.inf
        self._last_limited: tuple[str, float] | None = None

    @property
    def size(self) -> float:
        """The most calls that can go at one moment."""
        return math.inf if self._bucket is None else self._bucket.size

    def ready_at(self, now: float, *, keep: float = 0.0) -> float:
        """When a call may go that leaves `keep` behind; infinity while that depends on calls in flight."""
        if self._in_flight >= self._most_in_flight:
            return math.inf
        self._recover(now)
        at = now if self._bucket is None else self._bucket.ready_at(now, keep=keep)
        return max(at, self._paused_until)

    def take(self, now: float) -> None:
        self._in_flight += 1
        if self._bucket:
            self._bucket.take(now)

    def landed(self, now: float) -> None:
        """A call has come back; `limited` says if with the wish to wait."""
        self._in_flight -= 1
        self._in_a_row += 1
        if self._bucket:
            self._bucket.landed(now)

    def limited(self, chat: str, retry_after: float, *, whole: bool, now: float) -> None:
        """A call to `chat` came back with the wish to wait."""
        last, self._last_limited = self._last_limited, (chat, now)
        between, self._in_a_row = self._in_a_row - 1, 0
        if whole:
            self._paused_until = max(self._paused_until, now + retry_after)
        elif last is None or last[0] == chat or now - last[1] > _TOGETHER:
            return
        elif between == 0:
            self._paused_until = max(self._paused_until, now + min(retry_after, _PAUSE))
        resumed_at = max(now, self._paused_until)
        if now >= self._halved_at + _TOGETHER:
            self._halved_at = resumed_at
            self._set_share(self._share / 2, now)
        self._next_step_at = resumed_at + _STEP_EVERY

    def _recover(self, now: float) -> None:
        while self._share < 1.0 and (now >= self._next_step_at or self._in_a_row >= _STEP_CALLS):
            by_time = now >= self._next_step_at
            self._next_step_at = (self._next_step_at if by_time else now) + _STEP_EVERY
            self._in_a_row = 0
            self._set_share(self._share * _STEP_UP, now)

    def _set_share(self, share: float, now: float) -> None:
        self._share = min(1.0, max(_SLOWEST, share))
        if self._bucket and self._rate is not None:
            self._bucket.change_rate(self._rate * self._share, now)

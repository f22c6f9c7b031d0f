"""Typing signs for replies of which nothing is visible yet, out of what the texts leave over."""

import heapq
import itertools
import math

from bot.errors import RateLimited
from bot.scheduler.budget import Account
from bot.scheduler.lane import Entry

# An answer that comes at once needs no sign before it.
_AFTER = 0.3
# Signs are made only while the account's bucket is nearly full: a burst of first words finds it full.
_KEEP = 0.8
_IN_FLIGHT = 8


class TypingSigns:
    """The replies that wait for their first words, by when their sign is due."""

    def __init__(self, *, interval: float, account: Account) -> None:
        self._interval = interval
        self._account = account
        self._due: list[tuple[float, int, Entry]] = []
        self._number = itertools.count()
        self._in_flight = 0

    def add(self, entry: Entry, now: float) -> None:
        self._push(entry, now + _AFTER)

    def next(self, now: float, *, texts_wait: bool) -> Entry | None:
        """Whose sign is to be shown now; its budget is spent already."""
        while self._due and self._due[0][0] <= now:
            entry = self._due[0][2]
            if _is_over(entry):
                heapq.heappop(self._due)
            elif entry.lane.blocked_until > now:
                heapq.heappop(self._due)
                self._push(entry, entry.lane.blocked_until)
            elif texts_wait or self._ready_at(now) > now:
                return None
            else:
                heapq.heappop(self._due)
                self._push(entry, now + self._interval)
                self._account.take(now)
                self._in_flight += 1
                return entry
        return None

    def wake_at(self, now: float, *, texts_wait: bool) -> float:
        """When `next` may have something; texts that wait wake everybody up by themselves."""
        if not self._due or texts_wait:
            return math.inf
        return max(self._due[0][0], self._ready_at(now))

    def landed(self, entry: Entry, now: float, error: RateLimited | None) -> None:
        """A sign was shown, or not: nobody tries again before it is due again. A chat that is told to wait
        waits with its texts, too; the other chats have their signs, as long as the account is not meant."""
        self._account.landed(now)
        self._in_flight -= 1
        if error is not None:
            lane = entry.lane
            lane.blocked_until = max(lane.blocked_until, now + error.retry_after)
            self._account.limited(lane.chat, error.retry_after, whole=error.whole_account, now=now)

    def _ready_at(self, now: float) -> float:
        if self._in_flight >= _IN_FLIGHT:
            return math.inf
        size = self._account.size
        keep = 0.0 if size == math.inf else min(size - 1, size * _KEEP)
        return self._account.ready_at(now, keep=keep)

    def _push(self, entry: Entry, at: float) -> None:
        heapq.heappush(self._due, (at, next(self._number), entry))


def _is_over(entry: Entry) -> bool:
    reply = entry.reply
    return entry.dropped or reply.ended or reply.first_visible_at is not None

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
# Answers that grow leave no bucket nearly full. Who has waited so long without a sign is owed one, and has it before
# somebody else's answer grows once more.
_OWED_AFTER = 3.0
_IN_FLIGHT = 8

_Queue = list[tuple[float, int, Entry]]


class TypingSigns:
    """The replies that wait for their first words, by when their sign is due.

    First and final texts never wait for a sign: while any of them does for the account's budget, there is none.
    """

    def __init__(self, *, interval: float, account: Account) -> None:
        self._interval = interval
        self._account = account
        self._due: _Queue = []
        self._owed: _Queue = []
        self._number = itertools.count()
        self._in_flight = 0
        self._had_its_turn = False

    def add(self, entry: Entry, now: float) -> None:
        self._push(self._due, entry, now + _AFTER)
        self._push(self._owed, entry, now + _OWED_AFTER)

    def owed(self, now: float, *, keep: float, refreshes_wait: bool) -> Entry | None:
        """Who has waited long for a first sign, if he may have it before any refresh; its budget is spent already.

        It takes turns with refreshes that wait, and leaves as many calls (`keep`) to the texts as these do.
        """
        entry = self._first_owed(now)
        if entry is None or (self._had_its_turn and refreshes_wait) or self._ready_at(now, keep) > now:
            return None
        self._had_its_turn = True
        heapq.heappop(self._owed)
        return self._take(entry, now)

    def refreshed(self) -> None:
        """A refresh was made: who is owed a sign is next."""
        self._had_its_turn = False

    def next(self, now: float, *, texts_wait: bool) -> Entry | None:
        """Whose sign is to be shown now; its budget is spent already."""
        while self._due and self._due[0][0] <= now:
            entry = self._due[0][2]
            due = max(entry.lane.blocked_until, entry.signed_at + self._interval)
            if _is_over(entry):
                heapq.heappop(self._due)
            elif due > now:
                heapq.heappop(self._due)
                self._push(self._due, entry, due)
            elif texts_wait or self._ready_at(now, self._nearly_full()) > now:
                return None
            else:
                heapq.heappop(self._due)
                self._push(self._due, entry, now + self._interval)
                return self._take(entry, now)
        return None

    def wake_at(self, now: float, *, keep: float, refreshes_wait: bool, texts_wait: bool) -> float:
        """When `owed` or `next` may have something; texts that wait wake everybody up by themselves."""
        if texts_wait:
            return math.inf
        at = math.inf
        if self._due:
            at = max(self._due[0][0], self._ready_at(now, self._nearly_full()))
        if self._owed and not (self._had_its_turn and refreshes_wait):
            at = min(at, max(self._owed[0][0], self._ready_at(now, keep)))
        return at

    def landed(self, entry: Entry, now: float, error: RateLimited | None) -> None:
        """A sign was shown, or not: nobody tries again before it is due again. A chat that is told to wait
        waits with its texts, too; the other chats have their signs, as long as the account is not meant."""
        self._account.landed(now)
        self._in_flight -= 1
        if error is not None:
            lane = entry.lane
            lane.blocked_until = max(lane.blocked_until, now + error.retry_after)
            self._account.limited(lane.chat, error.retry_after, whole=error.whole_account, now=now)

    def _first_owed(self, now: float) -> Entry | None:
        while self._owed and self._owed[0][0] <= now:
            entry = self._owed[0][2]
            if entry.lane.blocked_until <= now and not _is_over(entry) and entry.signed_at == -math.inf:
                return entry
            heapq.heappop(self._owed)
            if entry.lane.blocked_until > now:
                self._push(self._owed, entry, entry.lane.blocked_until)
        return None

    def _take(self, entry: Entry, now: float) -> Entry:
        entry.signed_at = now
        self._account.take(now)
        self._in_flight += 1
        return entry

    def _ready_at(self, now: float, keep: float) -> float:
        return math.inf if self._in_flight >= _IN_FLIGHT else self._account.ready_at(now, keep=keep)

    def _nearly_full(self) -> float:
        size = self._account.size
        return 0.0 if size == math.inf else min(size - 1, size * _KEEP)

    def _push(self, queue: _Queue, entry: Entry, at: float) -> None:
        heapq.heappush(queue, (at, next(self._number), entry))


def _is_over(entry: Entry) -> bool:
    reply = entry.reply
    return entry.dropped or reply.ended or reply.first_visible_at is not None

"""Who goes next: the pure logic of the scheduler, with the time passed in."""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from weakref import WeakSet

from bot.chat import Address, CallKind, ChatPlatform, MessageRef, ReplyCall
from bot.errors import MessageGone, MessageRefused, PlatformError, RateLimited, RecipientGone, Unavailable
from bot.scheduler.budget import Account, Bucket, Window
from bot.scheduler.lane import Entry, Lane, Reply

# A final that has waited this long takes turns with first words, however many of these there are.
_PATIENCE = 20.0
# A refresh leaves calls to the replies that grow at the moment (they may end together), up to half the burst.
_KEEP_EACH = 0.5
_KEEP_MOST = 0.5
# Characters that weigh as much as a second of waiting.
_CHARACTERS_A_SECOND = 300.0
_MOST_GAIN = 2.0
_BACKOFF = 0.5
_MOST_BACKOFF = 15.0
_RETRY_MARGIN = 0.05
_LANE_REST = 120.0
# A line that lost an answer to a call may lose more of them for so long.
_DOUBT = 300.0
# A process that is killed during a call loses its answer, too, and nothing warns of that: while so much of the
# account's burst is left, what may show twice is begun and then completed. A crowd needs its calls otherwise.
_ROOM = 0.25

_Queued = tuple[float, int, Lane, int]


@dataclass(frozen=True, slots=True)
class Job:
    """One call to be made now; its budgets are spent already."""

    entry: Entry
    call: ReplyCall


class Plan:
    """All replies of one account, in queues by what they wait for.

    A chat stands in one queue at most; what is out of date in a queue is known by its `version` and skipped.
    `announce` costs a dictionary look-up, everything else O(log n).
    """

    def __init__(self, platform: ChatPlatform, *, now: float, jitter: Callable[[], float] = random.random) -> None:
        limits = platform.limits
        self.account = Account(
            rate=limits.calls_per_second, size=limits.calls_burst, in_flight=limits.calls_in_flight, now=now
        )
        self._limits = limits
        self._is_group = platform.is_group
        self._jitter = jitter
        self._entries: dict[Reply, Entry] = {}
        self._lanes: dict[str, Lane] = {}
        self._resting: dict[str, float] = {}
        self._number = itertools.count()
        self._later: list[_Queued] = []
        self._ready: dict[CallKind, list[_Queued]] = {"first": [], "final": [], "refresh": []}
        self._over: WeakSet[Reply] = WeakSet()
        self._final_had_its_turn = False
        self._settled: list[Reply] = []
        self._taking: Entry | None = None
        self._in_doubt_until = -math.inf

    def doubt(self, now: float) -> None:
        """An answer to a call was lost: more may be for a while."""
        if self._limits.doubles:
            self._in_doubt_until = now + _DOUBT

    def start(self, reply: Reply, now: float) -> Entry | None:
        """Take a reply in; its place in its chat is behind those that were started before. None if it is in
        already, or was here and is over."""
        if reply in self._entries or self.is_over(reply):
            return None
        lane = self._lane(reply.to, now)
        entry = Entry(reply, lane)
        lane.entries.append(entry)
        self._entries[reply] = entry
        return entry

    def announce(self, reply: Reply, now: float) -> bool:
        """The reply has something newer. Whether that changed a queue, so that somebody has to look."""
        entry = self._entries.get(reply) or self.start(reply, now)
        if entry is None:
            return False
        entry.dirty = True
        lane = entry.lane
        if lane.busy or (lane.queued is entry and (entry.kind != "refresh" or not reply.ended)):
            return False
        return self._consider(lane, now)

    def drop(self, reply: Reply, now: float) -> None:
        """Make no more calls for a reply, for good."""
        self._over.add(reply)
        entry = self._entries.pop(reply, None)
        if entry is None:
            return
        entry.dropped = True
        lane = entry.lane
        lane.entries.remove(entry)
        if lane.queued is entry:
            lane.queued = None
            lane.version += 1
        if lane.entries:
            if not lane.busy:
                self._consider(lane, now)
        else:
            self._resting[lane.chat] = now

    def is_over(self, reply: Reply) -> bool:
        """Whether no more calls are made for a reply."""
        return reply in self._over or reply.gone or reply.done

    def waiting(self) -> Iterator[CallKind]:
        """What each chat waits for that waits for something."""
        entries = (lane.queued for lane in self._lanes.values())
        return (entry.kind for entry in entries if entry is not None and entry.kind is not None)

    def give_up(self, now: float) -> None:
        """After `next_job` raised: the reply that could not say what it shows is not asked again."""
        if self._taking is not None:
            self._settle(self._taking, now)

    def next_job(self, now: float) -> Job | None:
        """The call to make now, or None: then look again at `wake_at`."""
        self._move_on(now)
        for kind in self._order(now):
            queue = self._ready[kind]
            if not queue or self.account.ready_at(now, keep=self._keep(kind)) > now:
                continue
            while queue:
                if (job := self._take(heapq.heappop(queue), now)) is not None:
                    return job
        return None

    def wake_at(self, now: float) -> float:
        """When `next_job` may have something to do, if nothing happens before; infinity: only then."""
        at = self._later[0][0] if self._later else math.inf
        for kind, queue in self._ready.items():
            if queue:
                at = min(at, self.account.ready_at(now, keep=self._keep(kind)))
        return at

    def landed(self, job: Job, ref: MessageRef | None, error: PlatformError | None, now: float) -> None:
        """A call has come back: with the `ref` of its message, or with an error."""
        entry, call = job.entry, job.call
        lane, reply = entry.lane, entry.reply
        self.account.landed(now)
        lane.landed(now)
        if error is not None:
            self._failed(entry, call, error, now)
        else:
            entry.failures = 0
            entry.refreshes += call.kind == "refresh"
            assert ref is not None
            (reply.sent if call.ref is None else reply.edited)(call, ref, at=now)
        entry.kind, entry.since = None, now
        entry.dirty = True
        if not entry.dropped and (reply.gone or reply.done):
            self._settle(entry, now)
        if lane.entries:
            self._consider(lane, now)

    def texts_wait(self, now: float) -> bool:
        """Whether first or final texts wait for the account's budget."""
        self._move_on(now)
        return bool(self._ready["first"] or self._ready["final"])

    @property
    def refreshes_wait(self) -> bool:
        """Whether answers that could grow wait for the account's budget."""
        return bool(self._ready["refresh"])

    @property
    def spare(self) -> float:
        """The calls that whatever is no text leaves to first and final texts."""
        return self._keep("refresh")

    def settled(self) -> list[Reply]:
        """The replies that came to their end since the last time: `done` or `gone`."""
        settled, self._settled = self._settled, []
        return settled

    def _lane(self, to: Address, now: float) -> Lane:
        lane = self._lanes.get(to.chat_id)
        if lane is None:
            self._forget_rested(now)
            limits = self._limits
            rate, minute = limits.chat_calls_per_second, limits.group_calls_per_minute
            lane = self._lanes[to.chat_id] = Lane(
                chat=to.chat_id,
                limits=limits,
                bucket=None if rate is None else Bucket(rate=rate, size=limits.chat_burst, now=now),
                window=Window(max(1, int(minute))) if minute is not None and self._is_group(to) else None,
            )
        self._resting.pop(to.chat_id, None)
        return lane

    def _forget_rested(self, now: float) -> None:
        """Chats that were empty for long are forgotten: all their budgets are full again."""
        for chat, since in tuple(itertools.islice(self._resting.items(), 8)):
            lane = self._lanes[chat]
            if now - since < _LANE_REST or lane.busy or now < lane.blocked_until:
                return
            del self._resting[chat], self._lanes[chat]

    def _consider(self, lane: Lane, now: float) -> bool:
        """Put a chat into the queue where it belongs. Whether that changed anything."""
        entry = lane.first_in_line(now)
        if entry is None:
            lane.queued = None
            lane.version += 1
            return False
        lane.queued = entry
        lane.version += 1
        heapq.heappush(self._later, (lane.ready_at(entry, now), next(self._number), lane, lane.version))
        return True

    def _move_on(self, now: float) -> None:
        """From the queue of those who may not yet, into the queues of those who may."""
        while self._later and self._later[0][0] <= now:
            _, number, lane, version = heapq.heappop(self._later)
            entry = lane.queued
            if version != lane.version or entry is None or entry.kind is None:
                continue
            head_start = min(_MOST_GAIN, entry.reply.gain / _CHARACTERS_A_SECOND)
            heapq.heappush(self._ready[entry.kind], (entry.since - head_start, number, lane, version))

    def _order(self, now: float) -> tuple[CallKind, ...]:
        finals = self._ready["final"]
        if finals and self._ready["first"] and finals[0][0] < now - _PATIENCE and not self._final_had_its_turn:
            return ("final", "first", "refresh")
        return ("first", "final", "refresh")

    def _keep(self, kind: CallKind) -> float:
        if kind != "refresh" or self.account.size == math.inf:
            return 0.0
        return min(_KEEP_MOST * self.account.size, _KEEP_EACH * len(self._entries), self.account.size - 1)

    def _take(self, queued: _Queued, now: float) -> Job | None:
        _, _, lane, version = queued
        entry = lane.queued
        if version != lane.version or entry is None:
            return None
        if lane.blocked_until > now:
            # A typing sign was told to wait after this chat was found ready.
            self._consider(lane, now)
            return None
        lane.queued = None
        self._taking = entry
        call = entry.reply.take(in_doubt=now < self._in_doubt_until or self._may_double(now))
        if call is None:
            entry.dirty = False
            entry.kind = None
            if entry.reply.done:
                self._settle(entry, now)
            if lane.entries:
                self._consider(lane, now)
                self._move_on(now)
            return None
        self._final_had_its_turn = entry.kind == "final"
        self.account.take(now)
        lane.take(now)
        return Job(entry, call)

    def _may_double(self, now: float) -> bool:
        """Whether what is sent twice shows twice, and there is room for a call that keeps it from that."""
        size = self.account.size
        keep = 0.0 if size == math.inf else _ROOM * size
        return self._limits.doubles and self.account.ready_at(now, keep=keep) <= now

    def _failed(self, entry: Entry, call: ReplyCall, error: PlatformError, now: float) -> None:
        lane = entry.lane
        if isinstance(error, RateLimited):
            wait = max(0.0, error.retry_after) + _RETRY_MARGIN
            lane.blocked_until = max(lane.blocked_until, now + wait)
            self.account.limited(lane.chat, wait, whole=error.whole_account, now=now)
        elif not isinstance(error, RecipientGone | MessageRefused) and not (
            isinstance(error, MessageGone) and call.ref is not None
        ):
            entry.failures += 1
            longest = min(_MOST_BACKOFF, _BACKOFF * 2.0 ** min(entry.failures - 1, 16))
            entry.not_before = now + longest * (0.5 + self._jitter() / 2)
            if isinstance(error, Unavailable) and error.maybe_applied:
                self.doubt(now)
        entry.reply.failed(call, error)

    def _settle(self, entry: Entry, now: float) -> None:
        self._settled.append(entry.reply)
        self.drop(entry.reply, now)

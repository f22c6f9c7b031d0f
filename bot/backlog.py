"""What was left unanswered before this start: taken up in order, so many conversations at a time.

A turn may be what kills the program. How often a start has taken it up and was killed is on record, and
what has a record is taken up later and in smaller company: whoever was only there when somebody else's
message killed the program gets its answer, and the one that does kill it is found alone in the end.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from itertools import groupby

from bot.errors import StorageError
from bot.storage.messages import Messages, Waiting

log = logging.getLogger(__name__)

AT_ONCE = 500
"""As many conversations of a platform as the engine streams answers: nobody who writes now queues behind more, and
a platform that is down keeps nobody on another one waiting."""
_SUSPECT = 2
"""So many starts ended with a kill while it was being answered: a kill may be why, or because of it."""
_COMPANY = (125, 30, 8)
"""How many suspects are taken up at once that have 2, 3, 4 tries; with more, each is alone."""
_QUIET = 10.0
"""Seconds that the program has run before one is taken up alone: until then all others were answered, and a
program that is killed for another reason every few seconds accuses nobody."""
_PATIENCE = 300.0
"""Seconds that suspects wait for the others: answers to a platform that is down have no end."""
_SUSPECTS = "suspects"
_GIVEN_UP = 10
"""After so many tries (five of them alone) the customer is told that there is no answer."""
_LEFT = 12
"""Even telling has killed the program: the messages are marked as done without a word."""
_PAUSE = 0.5
_LONGEST_PAUSE = 4.0


class Backlog:
    """Call `run` once. `sleep` and `clock` count seconds that do not jump."""

    def __init__(
        self,
        messages: Messages,
        *,
        at_once: int = AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._messages = messages
        self._at_once = at_once
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._loaded = self._closed = False
        self._held: set[int] = set()
        self._running: dict[int, Waiting] = {}
        self._lanes: Counter[str] = Counter()  # how many of these are in each lane: a platform's, or the suspects'
        self._ended = asyncio.Event()

    def holds(self, conversation_id: int) -> bool:
        """Whether a conversation must wait until it is taken up, also when its customer writes again: a suspect;
        anyone, as long as it is not known who is one."""
        return not self._loaded or conversation_id in self._held

    def tries(self, conversation_id: int) -> int:
        """How often the next turn of this conversation was taken up in vain."""
        one = self._running.get(conversation_id)
        return one.tries if one else 0

    def ended(self, conversation_id: int) -> None:
        """Nothing waits in this conversation any more."""
        one = self._running.pop(conversation_id, None)
        if one is not None:
            self._lanes[_lane(one)] -= 1
            self._ended.set()

    def close(self) -> None:
        """Take nothing more up."""
        self._closed = True

    async def load(self, platforms: Collection[str]) -> list[Waiting]:
        """What waits on these platforms, in the order in which it is to be taken up. Raises `StorageError`."""
        waiting = sorted(await self._messages.conversations_waiting(platforms), key=_rank)
        self._held = {one.conversation_id for one in waiting if _rank(one)}
        self._loaded = True
        if waiting:
            begun, suspects = sum(one.is_begun for one in waiting), len(self._held)
            log.info("%s conversations wait, %s answers are begun, %s are suspects", len(waiting), begun, suspects)
        return waiting

    async def run(self, waiting: Sequence[Waiting], take_up: Callable[[int], bool]) -> None:
        """Have all of it answered. `take_up` begins with a conversation, and says False when that has begun
        already; `ended` is to be called when it is done."""
        lanes: dict[str, deque[Waiting]] = {}
        for one in waiting:
            lanes.setdefault(_lane(one), deque()).append(one)
        suspects = lanes.pop(_SUSPECTS, ())
        async with asyncio.TaskGroup() as tasks:
            for lane in lanes.values():
                tasks.create_task(self._take_up_all(lane, self._at_once, take_up))
        for room, group in groupby(suspects, self._room):
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    while self._running:  # smaller company: the larger one is gone first
                        await self._next_end()
            if room == 1:
                await self._sleep(max(0.0, self._began + _QUIET - self._clock()))
            await self._take_up_all(deque(group), room, take_up)

    async def give_back(self) -> None:
        """The program ends in good order: that what is not answered yet was taken up does not count."""
        try:
            await self._messages.give_back(self._running.keys())
        except StorageError as exc:
            log.warning("%s conversations count as tried in vain: %s", len(self._running), exc)

    async def _take_up_all(self, left: deque[Waiting], room: int, take_up: Callable[[int], bool]) -> None:
        lane = _lane(left[0])
        while left:
            while self._lanes[lane] >= room:
                await self._next_end()
            batch = [left.popleft() for _ in range(min(len(left), room - self._lanes[lane]))]
            if not await self._count(batch):
                return
            for one in batch:
                self._running[one.conversation_id] = one
                self._lanes[lane] += 1
                self._held.discard(one.conversation_id)
                if not take_up(one.conversation_id):
                    self.ended(one.conversation_id)

    def _room(self, waiting: Waiting) -> int:
        """How many like this one are taken up at the same time."""
        rank = _rank(waiting)
        return min(self._at_once, (self._at_once, *_COMPANY)[rank]) if rank <= len(_COMPANY) else 1

    async def _next_end(self) -> None:
        self._ended.clear()
        await self._ended.wait()

    async def _count(self, batch: Collection[Waiting]) -> bool:
        """Put on record that these are taken up, however long that takes; False when they are not to be."""
        pause = _PAUSE
        while not self._closed:
            try:
                await self._messages.take_up([one.conversation_id for one in batch])
                return True
            except StorageError as exc:
                if pause == _PAUSE:
                    log.error("what was left unanswered waits: %s", exc)
                await self._sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        return False


def failures_of(tries: int, most: int) -> int:
    """The failures that these tries count for: none, `most` when the turn is to be given up, or one more."""
    return 0 if tries < _GIVEN_UP else most + (tries >= _LEFT)


def _lane(waiting: Waiting) -> str:
    return _SUSPECTS if _rank(waiting) else waiting.platform


def _rank(waiting: Waiting) -> int:
    """0 for who is no suspect, and more for those that are taken up later, in smaller company."""
    return max(0, waiting.tries - _SUSPECT + 1)

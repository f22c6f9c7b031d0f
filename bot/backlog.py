"""What was left unanswered before this start: taken up in order, so many conversations at a time.

A turn may be what kills the program. How often a start has taken it up and was killed is on record, and
what has a record is taken up a little later and in smaller company, which grows as long as the program lives:
whoever was only there when it was killed gets its answer within the minute, and the one that does kill it is found
alone in the end. Only what was alone counts towards being given up: kills from outside may come as they like.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from itertools import groupby, islice

from bot.errors import StorageError
from bot.storage.messages import Messages, Waiting

log = logging.getLogger(__name__)

AT_ONCE = 500
"""As many conversations of a platform as the engine streams answers: nobody who writes now queues behind more, and
a platform that is down keeps nobody on another one waiting."""
_SUSPECT = 2
"""So many starts ended with a kill while it was being answered: a kill may be why, or because of it."""
_COMPANY = (125, 30, 8)
"""How many suspects are taken up first that have 2, 3, 4 tries; then twice as many, and so on."""
_ALONE = _SUSPECT + len(_COMPANY)
"""With so many tries or more the first of a life is alone, and only for that one a kill counts any more."""
_TRIAL = 2.0
_LONG_TRIAL = 10.0
"""Seconds that those before have run, unless they are done, when more suspects are taken up. With few tries, that is
soon: in a time of many kills nobody would ever have his turn. With many: what kills is not to meet new company."""
_QUIET = 10.0
"""Seconds that the program has run before one is taken up alone; twice as many when it has one try more, and so on:
a program that is killed for another reason again and again accuses nobody."""
_PATIENCE = 30.0
"""Seconds that suspects wait for others to be taken up (a platform may be down), and for the end of one that is alone:
if the program still lives then, that one is not why it was killed."""
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
        self._counted: set[int] = set()  # those of them for whom a kill counts
        self._lanes: Counter[str] = Counter()  # how many of them are in each lane: a platform's, or the suspects'
        self._changed = asyncio.Event()

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
            self._counted.discard(conversation_id)
            self._lanes[_lane(one)] -= 1
            self._changed.set()

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
        """Have all of it answered. `take_up` has somebody work on a conversation, and says False when nobody is to any
        more; `ended` is to be called when that is done."""
        lanes: dict[str, deque[Waiting]] = {}
        for one in waiting:
            lanes.setdefault(_lane(one), deque()).append(one)
        suspects = lanes.pop(_SUSPECTS, ())
        async with asyncio.TaskGroup() as tasks:
            for lane in lanes.values():
                tasks.create_task(self._take_up_all(lane, take_up))
            tasks.create_task(self._try_all(suspects, lanes, take_up))

    async def give_back(self) -> None:
        """The program ends in good order: that what is not answered yet was taken up does not count."""
        await self._uncount(self._counted)

    async def _take_up_all(self, left: deque[Waiting], take_up: Callable[[int], bool]) -> None:
        lane = _lane(left[0])
        while left:
            batch = tuple(islice(left, await self._room(lane)))
            if not await self._take_up(batch, take_up):
                return
            for _ in batch:
                left.popleft()

    async def _try_all(
        self, suspects: Sequence[Waiting], others: Mapping[str, deque[Waiting]], take_up: Callable[[int], bool]
    ) -> None:
        """Take the suspects up behind the others, those with the fewest tries first."""
        if suspects:
            await self._until(lambda: not any(others.values()), _PATIENCE)
        for tries, group in groupby(suspects, lambda one: one.tries):
            left, most = deque(group), min(self._at_once, _company(tries))
            while left:
                await self._are_done(self._running, _TRIAL if tries < _ALONE or most == 1 else _LONG_TRIAL)
                if most == 1:
                    await self._sleep(max(0.0, self._began + _QUIET * (tries - _ALONE + 1) - self._clock()))
                room = min(most, await self._room(_SUSPECTS))
                batch = [left.popleft() for _ in range(min(len(left), room))]
                if not await self._take_up(batch, take_up, counts=most == 1 or tries < _ALONE):
                    return
                if most == 1 and not await self._are_done([batch[0].conversation_id], _PATIENCE):
                    await self._uncount([batch[0].conversation_id])
                most = min(2 * most, self._at_once)

    async def _take_up(
        self, batch: Collection[Waiting], take_up: Callable[[int], bool], *, counts: bool = True
    ) -> bool:
        """False when nothing is to be taken up any more."""
        if not await self._count(batch if counts else ()):
            return False
        for one in batch:
            self._running[one.conversation_id] = one
            self._lanes[_lane(one)] += 1
            self._held.discard(one.conversation_id)
            if counts:
                self._counted.add(one.conversation_id)
            if not take_up(one.conversation_id):
                return False
        self._changed.set()
        return True

    async def _room(self, lane: str) -> int:
        """How many may be taken up in a lane, as soon as any may."""
        while self._lanes[lane] >= self._at_once:
            self._changed.clear()
            await self._changed.wait()
        return self._at_once - self._lanes[lane]

    async def _are_done(self, conversation_ids: Collection[int], seconds: float) -> bool:
        """Whether all of these have ended, as soon as they have or so many seconds are over."""
        these = set(conversation_ids)
        return await self._until(lambda: these.isdisjoint(self._running), seconds)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether this holds, as soon as it does or so many seconds are over."""
        over = asyncio.ensure_future(self._sleep(seconds))
        try:
            while not condition() and not over.done():
                self._changed.clear()
                change = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait((over, change), return_when=asyncio.FIRST_COMPLETED)
                change.cancel()
        finally:
            over.cancel()
        return condition()

    async def _count(self, batch: Collection[Waiting]) -> bool:
        """Put on record that these are taken up, however long that takes; False when they are not to be."""
        pause = _PAUSE
        while not self._closed:
            try:
                if batch:
                    await self._messages.take_up([one.conversation_id for one in batch])
                return True
            except StorageError as exc:
                if pause == _PAUSE:
                    log.error("what was left unanswered waits: %s", exc)
                await self._sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        return False

    async def _uncount(self, conversation_ids: Collection[int]) -> None:
        """That these were taken up is no reason to suspect them."""
        counted = self._counted.intersection(conversation_ids)
        self._counted -= counted
        try:
            await self._messages.give_back(counted)
        except StorageError as exc:
            log.warning("%s conversations count as tried in vain: %s", len(counted), exc)


def failures_of(tries: int, most: int) -> int:
    """The failures that these tries count for: none, `most` when the turn is to be given up, or one more."""
    return 0 if tries < _GIVEN_UP else most + (tries >= _LEFT)


def _lane(waiting: Waiting) -> str:
    return _SUSPECTS if _rank(waiting) else waiting.platform


def _rank(waiting: Waiting) -> int:
    """0 for who is no suspect, and more for those that are taken up later, in smaller company."""
    return max(0, waiting.tries - _SUSPECT + 1)


def _company(tries: int) -> int:
    """How many suspects with so many tries are taken up first."""
    return _COMPANY[tries - _SUSPECT] if tries < _ALONE else 1

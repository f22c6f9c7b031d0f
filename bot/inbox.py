"""Takes messages in for good, and hands on one turn at a time per conversation.

A conversation costs a task only while something in it waits for an answer. Conversations do not wait for
each other; inside one, turns are answered in the order in which their messages came.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from bot.backlog import Backlog, failures_of
from bot.bursts import ALBUM_QUIET, Arrivals, before_start_afresh, begins_only, first_turn
from bot.chat import Address, InboundMessage, UnreadableUpdate
from bot.errors import StorageError
from bot.storage.messages import Conversation, Messages, StoredMessage

log = logging.getLogger(__name__)

_TRIES = 3
_LONGEST_OUTAGE_PAUSE = 8
"""In units of the pause: storage that can be used again is noticed within seconds."""
_MOST_WAITS = 4
"""A turn that begins and begins is waited for no longer than so many times the wait for one message."""
_OUTAGE_OVER = 60.0
"""When something is stored and nothing failed for so many seconds, the next failure is another outage."""
_MOST_TOLD = 10_000


class TurnHandler(Protocol):
    """What the inbox hands its turns to: the engine."""

    async def answer(self, conversation: Conversation, messages: Sequence[StoredMessage], arrivals: Arrivals) -> None:
        """Answer these messages as one turn, with those of `arrivals` that come early enough, and mark them as
        answered."""
        ...

    async def give_up(self, conversation: Conversation, messages: Sequence[StoredMessage]) -> None:
        """`answer` failed several times: tell the customer, and mark the messages as done."""
        ...

    async def break_off(self, conversation: Conversation, message: StoredMessage) -> None:
        """Nobody waits for the answer to `message` any more, of which something was sent before a crash: it is not to
        stay half."""
        ...

    async def stop(self, conversation_id: int, message: InboundMessage, *, inbox_id: int) -> None:
        """End the running answer of this conversation, at the wish of `message`: a `stop` or a `new`."""
        ...

    async def delay(self, message: InboundMessage) -> None:
        """Nothing can be stored at the moment: tell the customer, if the platform delivers `message` again."""
        ...


class Inbox:
    """Call `run` once; `receive` is what the doors are given.

    `platforms` are the names of those that are served: what was left unanswered on another one waits until
    that is served again. `pause` is the base of the waiting time in seconds before a failed turn is tried again.
    `burst_wait` are the seconds that a message which is only a beginning waits for more; 0: it does not. Nor does one
    at an address that is answered `at_once`.
    """

    def __init__(
        self,
        messages: Messages,
        handler: TurnHandler,
        *,
        platforms: Collection[str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        pause: float = 0.5,
        burst_wait: float = 0.0,
        at_once: Callable[[Address], bool] = lambda at: False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._messages = messages
        self._handler = handler
        self._platforms = platforms
        self._now = now
        self._clock = clock
        self._pause = pause
        self._burst_wait = burst_wait
        self._at_once = at_once
        self._sleep = sleep
        self._arrived: dict[int, float] = {}  # inbox id → when this process received it
        self._told: set[Address] = set()
        self._failed_at = -math.inf
        self._backlog = Backlog(messages, clock=clock, sleep=sleep)
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._woken: set[int] = set()
        self._naps: dict[int, asyncio.Future[None]] = {}
        self._arrivals: dict[int, Arrivals] = {}
        self._draining = False
        self._errands: set[asyncio.Task[None]] = set()

    async def receive(self, message: InboundMessage | UnreadableUpdate) -> None:
        """Store a message; when this returns it is on the disk. Raises `StorageError`, then it is not."""
        if isinstance(message, UnreadableUpdate):
            await self._messages.park(message, at=self._now())
            log.warning("%s: update %s was not readable and is parked", message.platform, message.update_id)
            return
        try:
            received = await self._messages.receive(message, at=self._now())
        except StorageError:
            self._tell_of_outage(message)
            raise
        if self._told and self._clock() - self._failed_at > _OUTAGE_OVER:
            self._told.clear()
        if not received.is_new:
            return
        if message.command in ("stop", "new"):
            self._send(
                partial(self._handler.stop, received.conversation_id, message, inbox_id=received.inbox_id),
                "the answer could not be stopped",
            )
        if message.command != "stop":
            self._arrived.setdefault(received.inbox_id, self._clock())
            self._notify(received.conversation_id, received.inbox_id, message)

    @property
    def at_work(self) -> int:
        """So many conversations are worked on now."""
        return len(self._workers)

    @property
    def waiting(self) -> int:
        """So many messages that this process received are not answered yet."""
        return len(self._arrived)

    async def drain(self, seconds: float) -> int:
        """Begin no more turns and let the running ones end, for so many seconds at most. How many did not."""
        self._draining = True
        self._backlog.close()
        for nap in self._naps.values():
            nap.cancel()
        if self._workers:
            await asyncio.wait(self._workers.values(), timeout=seconds)
        return len(self._workers)

    async def run(self) -> None:
        """Answer what was left unanswered, then everything that comes, until cancelled."""
        waiting = await self._backlog.load(self._platforms)
        for conversation_id in tuple(self._woken):
            self._wake(conversation_id)
        try:
            await self._backlog.run(waiting, self._take_up)
            await asyncio.Event().wait()
        finally:
            tasks = [*self._workers.values(), *self._errands]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._backlog.give_back()

    def _take_up(self, conversation_id: int) -> bool:
        self._wake(conversation_id)
        return conversation_id in self._workers

    def _notify(self, conversation_id: int, inbox_id: int, message: InboundMessage) -> None:
        """Something new is stored: whoever works on this conversation has to look again."""
        self._woken.add(conversation_id)
        if nap := self._naps.get(conversation_id):
            nap.cancel()
        if (arrivals := self._arrivals.get(conversation_id)) and not self._draining:
            arrivals.tell(inbox_id, message)
        self._wake(conversation_id)

    def _wake(self, conversation_id: int) -> None:
        """Have somebody work on this conversation."""
        if self._backlog.holds(conversation_id):
            return
        if conversation_id not in self._workers and not self._draining:
            task = asyncio.create_task(self._work(conversation_id), name=f"conversation-{conversation_id}")
            self._workers[conversation_id] = task
            task.add_done_callback(lambda done: self._ended(conversation_id, done))

    def _ended(self, conversation_id: int, task: asyncio.Task[None]) -> None:
        self._workers.pop(conversation_id, None)
        if task.cancelled():
            return
        self._backlog.ended(conversation_id)
        if conversation_id in self._woken:
            self._wake(conversation_id)

    async def _work(self, conversation_id: int) -> None:
        """Answer turn after turn until nothing waits."""
        failures, outages = failures_of(self._backlog.tries(conversation_id), _TRIES), 0
        while not self._draining:
            self._woken.discard(conversation_id)
            try:
                if not await self._next_turn(conversation_id, failures):
                    return
                failures = outages = 0
            except StorageError as exc:
                # Nothing is lost: the messages wait on the disk until it can be used again.
                if outages == 0:
                    log.error("conversation %s waits: %s", conversation_id, exc)
                outages += 1
                await self._sleep(self._pause * min(2**outages, _LONGEST_OUTAGE_PAUSE))
            except Exception:
                failures += 1
                log.exception("conversation %s: a turn failed for the %s. time", conversation_id, failures)
                await self._sleep(self._pause * min(2**failures, _LONGEST_OUTAGE_PAUSE))

    async def _next_turn(self, conversation_id: int, failures: int) -> bool:
        """Hand on the next turn; False when nothing waits. `failures` is how often it was tried in vain."""
        conversation, waiting = await self._messages.waiting(conversation_id)
        if conversation.mode == "bot" and (outdated := before_start_afresh(waiting)):
            for begun in (stored for stored in outdated if stored.sent and failures < _TRIES):
                await self._handler.break_off(conversation, begun)
            await self._messages.close(outdated, at=self._now())
            self._forget(outdated)
            return True
        if not waiting:
            return False
        turn = first_turn(waiting)
        if (wait := self._wait_for_more(turn, is_all=len(turn) == len(waiting))) > 0:
            await self._nap(conversation_id, wait)
            return True
        if failures < _TRIES:
            await self._answer(conversation, turn)
        elif failures == _TRIES:
            await self._handler.give_up(conversation, turn)
        else:
            log.error("conversation %s: %s messages are parked without an answer", conversation_id, len(turn))
            await self._messages.close(turn, at=self._now())
        self._forget(turn)
        return True

    async def _answer(self, conversation: Conversation, turn: Sequence[StoredMessage]) -> None:
        async def waiting() -> Sequence[StoredMessage]:
            return self._timed((await self._messages.waiting(conversation.id))[1])

        arrivals = self._arrivals[conversation.id] = Arrivals(
            turn,
            read=waiting,
            missed=conversation.id in self._woken,
            burst_wait=self._burst_wait,
            clock=self._clock,
            sleep=self._sleep,
        )
        try:
            await self._handler.answer(conversation, self._timed(turn), arrivals)
        finally:
            del self._arrivals[conversation.id]
        self._forget(arrivals.messages)

    def _wait_for_more(self, turn: Sequence[StoredMessage], *, is_all: bool) -> float:
        """How many seconds are to be waited for the rest of an album, or for what follows a mere beginning.
        `is_all`: nothing stands behind this turn that keeps more from joining it."""
        now = self._clock()
        if turn[-1].message.album_id is not None:
            # Of one that came before this process began, nobody knows whether more is on its way.
            return self._arrived.setdefault(turn[-1].id, now) + ALBUM_QUIET - now
        if not self._burst_wait or not is_all or not begins_only(turn) or self._at_once(turn[0].message.address):
            return 0.0
        first, last = (self._arrived.setdefault(stored.id, now - self._age(stored)) for stored in (turn[0], turn[-1]))
        return min(last + self._burst_wait, first + _MOST_WAITS * self._burst_wait) - now

    def _age(self, stored: StoredMessage) -> float:
        """Seconds since another process received this message, as the wall clock has it: it may have jumped."""
        return max(0.0, (self._now() - stored.received_at).total_seconds())

    async def _nap(self, conversation_id: int, seconds: float) -> None:
        """Sleep until something comes into this conversation, so many seconds at most."""
        if conversation_id in self._woken or self._draining:
            return
        nap = self._naps[conversation_id] = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait([nap])
        finally:
            nap.cancel()
            del self._naps[conversation_id]

    def _timed(self, turn: Sequence[StoredMessage]) -> tuple[StoredMessage, ...]:
        now, arrived = self._clock(), self._arrived
        return tuple(
            replace(stored, waited=now - arrived[stored.id]) if stored.id in arrived else stored for stored in turn
        )

    def _forget(self, turn: Sequence[StoredMessage]) -> None:
        for stored in turn:
            self._arrived.pop(stored.id, None)

    def _tell_of_outage(self, message: InboundMessage) -> None:
        """Once in each conversation and outage; nothing can be stored, so it is kept in memory who was told."""
        self._failed_at = self._clock()
        if message.address not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(message.address)
            self._send(
                partial(self._handler.delay, message), "the customer could not be told that nothing can be stored"
            )

    def _send(self, errand: Callable[[], Awaitable[None]], failure: str) -> None:
        """Have something done that nobody waits for."""

        async def done() -> None:
            try:
                await errand()
            except Exception:
                log.exception(failure)

        task = asyncio.create_task(done())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

"""`SendScheduler`: the only way to a platform; makes the calls that the plan decides on."""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from bot.chat import CallKind, ChatPlatform, MessageRef
from bot.errors import MessageRefused, PlatformError, RateLimited, RecipientGone, Unavailable
from bot.scheduler.lane import Entry, Reply
from bot.scheduler.plan import Job, Plan
from bot.scheduler.typing_signs import TypingSigns
from bot.scheduler.vanishing import Vanishing

log = logging.getLogger(__name__)

# Doors have time limits of their own; this one only keeps a chat from waiting for ever.
_CALL_TIMEOUT = 120.0
_TYPING_TIMEOUT = 15.0
_AT_ONCE = 8


@dataclass(slots=True)
class Counts:
    """What was done so far, for the operator."""

    sends: int = 0
    edits: int = 0
    typing_signs: int = 0
    rate_limited: int = 0
    refused: int = 0
    unavailable: int = 0
    doubtful_sends: int = 0
    """Sends that failed and may have been applied all the same: each may have left a bare beginning."""


class SendScheduler:
    """One per account on a platform. `run` makes the calls; the other methods may be called before it runs.

    Only `run` and the calls that it starts wait for the platform; the loop that reads a model's stream
    calls `announce`, which does no more than a note. `in_doubt`: it begins as after a lost answer to a call; what was
    killed may be killed again.
    """

    def __init__(
        self, platform: ChatPlatform, *, clock: Callable[[], float] = time.monotonic, in_doubt: bool = False
    ) -> None:
        self.counts = Counts()
        self._platform = platform
        self._clock = clock
        self._plan = Plan(platform, now=clock())
        if in_doubt:
            self._plan.doubt(clock())
        self._typing = TypingSigns(interval=platform.limits.typing_interval, account=self._plan.account)
        self._vanishing = Vanishing()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[Reply, list[asyncio.Future[None]]] = {}

    @property
    def platform(self) -> ChatPlatform:
        """The account that this scheduler calls for."""
        return self._platform

    def waiting(self) -> Mapping[CallKind, int]:
        """How many chats wait for a call of each kind; it takes a look at each of them."""
        return Counter(self._plan.waiting())

    async def run(self) -> None:
        """Make calls until cancelled. May be run again afterwards."""
        try:
            while True:
                self._wake.clear()
                more = self._make_calls()
                if more:
                    await asyncio.sleep(0)
                else:
                    await self._sleep()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, reply: Reply) -> None:
        """A reply is being written: the typing sign shows until its first words are visible."""
        now = self._clock()
        entry = self._plan.start(reply, now)
        if entry is not None:
            self._typing.add(entry, now)
            self._wake.set()

    def announce(self, reply: Reply) -> None:
        """The reply has something newer to show, or has ended. Cheap: call it after every delta."""
        if self._plan.announce(reply, self._clock()):
            self._wake.set()

    async def finish(self, reply: Reply) -> tuple[MessageRef, ...]:
        """Wait until an ended reply shows its final text in all parts, however long, and give its messages.

        What was started in the same chat and has ended before is shown before it. A reply that was not
        started is. Raises `RecipientGone` when nobody reads there any more. Safe to cancel: the reply goes on;
        `drop` it to give it up.
        """
        if not self._plan.is_over(reply):
            future = asyncio.get_running_loop().create_future()
            waiting = self._waiting.setdefault(reply, [])
            waiting.append(future)
            self.announce(reply)
            try:
                await future
            finally:
                waiting.remove(future)
                if not waiting:
                    self._waiting.pop(reply, None)
        self.drop(reply)
        if reply.gone:
            raise RecipientGone("nobody reads there any more")
        return reply.refs

    def drop(self, reply: Reply) -> None:
        """Make no more calls for this reply; what is visible stays, and who waits for its end waits no more."""
        self._plan.drop(reply, self._clock())
        self._release([reply])

    def _make_calls(self) -> bool:
        """Start the calls that may go now, a few at a time. Whether there may be more."""
        for due in self._vanishing.over(self._clock()):
            due.reply.vanished()
            self.announce(due.reply)
        for _ in range(_AT_ONCE):
            self._show_owed_sign()
            job = self._next_job()
            self._release(self._plan.settled())
            if job is None:
                break
            if job.call.kind == "refresh":
                self._typing.refreshed()
            self._spawn(self._call(job))
        else:
            return True
        for _ in range(_AT_ONCE):
            now = self._clock()
            entry = self._typing.next(now, texts_wait=self._plan.texts_wait(now))
            if entry is None:
                return False
            self._spawn(self._show_typing(entry))
        return True

    def _show_owed_sign(self) -> None:
        """Before a refresh, somebody who has waited long for a typing sign may have his."""
        now, plan = self._clock(), self._plan
        if plan.texts_wait(now):
            return
        entry = self._typing.owed(now, keep=plan.spare, refreshes_wait=plan.refreshes_wait)
        if entry is not None:
            self._spawn(self._show_typing(entry))

    def _next_job(self) -> Job | None:
        while True:
            try:
                return self._plan.next_job(self._clock())
            except Exception:
                log.exception("A reply on %s could not be laid out; what is visible of it stays.", self._platform.name)
                self._plan.give_up(self._clock())

    async def _sleep(self) -> None:
        now = self._clock()
        plan = self._plan
        typing_at = self._typing.wake_at(
            now, keep=plan.spare, refreshes_wait=plan.refreshes_wait, texts_wait=plan.texts_wait(now)
        )
        at = min(plan.wake_at(now), typing_at, self._vanishing.wake_at())
        if at <= now:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(None if at == math.inf else at - now):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, job: Job) -> None:
        ref, error = None, None
        try:
            async with asyncio.timeout(_CALL_TIMEOUT):
                ref = await self._make(job)
        except PlatformError as exc:
            error = exc
        except TimeoutError:
            error = Unavailable("the platform did not answer in time")
        except asyncio.CancelledError:
            # Ours when `run` ends; a library's own otherwise. The outcome is unknown in both cases.
            error = Unavailable("the call was broken off")
        except Exception:
            log.exception("A call to %s failed unexpectedly; it is made again.", self._platform.name)
            error = Unavailable("the door failed")
        self._count(job, error)
        if ref is not None:
            self._vanishing.shown(job.entry, ref, self._clock())
        self._plan.landed(job, ref, error, self._clock())
        self._release(self._plan.settled())
        self._wake.set()

    async def _make(self, job: Job) -> MessageRef:
        call = job.call
        if call.ref is not None:
            return await self._platform.edit(call.ref, call.message)
        return await self._platform.send(job.entry.reply.to, call.message, key=call.key)

    def _count(self, job: Job, error: PlatformError | None) -> None:
        call = job.call
        # What vanishes becomes a message that stays by being sent.
        send = call.ref is None or (call.ref.lasts is not None and not call.message.growing)
        match error:
            case None:
                self.counts.sends += send
                self.counts.edits += not send
            case RateLimited():
                self.counts.rate_limited += 1
                log.warning("%s wants us to wait %.1f s in one chat.", self._platform.name, error.retry_after)
            case MessageRefused():
                self.counts.refused += 1
                log.warning("%s refused a message of %d characters.", self._platform.name, len(call.message.text))
            case Unavailable():
                self.counts.unavailable += 1
                self.counts.doubtful_sends += send and error.maybe_applied
            case _:
                pass

    async def _show_typing(self, entry: Entry) -> None:
        limited = None
        try:
            async with asyncio.timeout(_TYPING_TIMEOUT):
                await self._platform.show_typing(entry.reply.to)
            self.counts.typing_signs += 1
        except RateLimited as exc:
            self.counts.rate_limited += 1
            limited = exc
        except (PlatformError, TimeoutError):
            # A text will find out; a sign is not worth another call.
            log.debug("No typing sign on %s.", self._platform.name)
        except Exception:
            log.exception("A typing sign on %s failed unexpectedly.", self._platform.name)
        finally:
            self._typing.landed(entry, self._clock(), limited)
            self._wake.set()

    def _release(self, replies: list[Reply]) -> None:
        for reply in replies:
            for future in self._waiting.get(reply, ()):
                if not future.done():
                    future.set_result(None)

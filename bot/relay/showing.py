"""Makes the desk show what storage says, and tells customers what they are to be told: driven by what is on record, so
that it goes on where it stood after any end of the program."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from bot.errors import AccountRejected, MessageGone, PlatformError, RateLimited, StorageError
from bot.notices import Notice, Notify
from bot.relay.posts import PostGone, Posts
from bot.relay.tells import Tells
from bot.storage.errands import Errands

log = logging.getLogger(__name__)

_AT_ONCE = 8
_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
_BREATH = 0.1
_TICK = 15.0
"""Seconds after which what only time changes is looked at."""


class Showing:
    """Call `run` once; `wake` says that there is something to do. `due` does what only time does."""

    def __init__(
        self,
        *,
        errands: Errands,
        posts: Posts,
        tells: Tells,
        due: Callable[[], Awaitable[None]],
        notify: Notify,
        clock: Callable[[], float] = time.monotonic,
        pause: float = _PAUSE,
        tick: float = _TICK,
    ) -> None:
        self._errands = errands
        self._posts = posts
        self._tells = tells
        self._due = due
        self._notify = notify
        self._clock = clock
        self._pause = pause
        self._tick = tick
        self._woken = asyncio.Event()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._failures: dict[tuple[str, int], int] = {}
        self._not_before: dict[tuple[str, int], float] = {}
        self._complaint = ""

    def wake(self) -> None:
        """There is something to show or to tell."""
        self._woken.set()

    async def run(self) -> None:
        """Show and tell until cancelled."""
        looked = -self._tick
        try:
            while True:
                self._woken.clear()
                try:
                    if self._clock() - looked >= self._tick:
                        looked = self._clock()
                        await self._due()
                    await self._begin()
                    if len(self._tasks) > _AT_ONCE:
                        await asyncio.sleep(_BREATH)  # there is enough to do: what else there is, is asked less often
                except StorageError as exc:
                    log.error("the desk waits: %s", exc)
                    await asyncio.sleep(self._pause)
                await self._sleep()
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self) -> None:
        """Have somebody work on every conversation in which something is to be done."""
        for conversation_id in await self._errands.to_show():
            self._start(("desk", conversation_id), self._posts.show)
        for conversation_id in await self._errands.to_tell():
            self._start(("customer", conversation_id), self._tells.tell)

    def _start(self, job: tuple[str, int], work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        if job in self._tasks or self._clock() < self._not_before.get(job, 0.0):
            return
        task = asyncio.create_task(self._do(job, work), name=f"{job[0]}-{job[1]}")
        self._tasks[job] = task
        task.add_done_callback(lambda done: self._ended(job))

    def _ended(self, job: tuple[str, int]) -> None:
        del self._tasks[job]
        self._woken.set()

    async def _do(self, job: tuple[str, int], work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        conversation_id = job[1]
        async with self._at_once:
            try:
                await work(conversation_id)
            except (PostGone, MessageGone):
                log.info("conversation %s: its post is gone, another one is opened", conversation_id)
                self._later(job, 0.0)
            except RateLimited as exc:
                self._later(job, exc.retry_after)
            except PlatformError as exc:
                self._complain(exc)
                self._later(job)
            except StorageError as exc:
                log.error("conversation %s waits for the desk: %s", conversation_id, exc)
                self._later(job)
            except Exception:
                log.exception("conversation %s is not shown at the desk", conversation_id)
                self._later(job)
            else:
                self._failures.pop(job, None)
                self._not_before.pop(job, None)
                if job[0] == "desk":
                    self._relieve()

    def _later(self, job: tuple[str, int], seconds: float | None = None) -> None:
        failures = self._failures[job] = self._failures.get(job, 0) + 1
        pause = min(self._pause * 2 ** min(failures, 10), _LONGEST_PAUSE) if seconds is None else seconds
        # What is gone again and again is not asked for without a rest.
        self._not_before[job] = self._clock() + (pause or (0.0 if failures < 3 else self._pause * failures))

    def _complain(self, exc: PlatformError) -> None:
        log.warning("the desk: %s: %s", type(exc).__name__, exc)
        words = str(exc) if isinstance(exc, AccountRejected) else "The desk is not reached; cases wait."
        if words != self._complaint:
            self._complaint = words
            self._notify(Notice("desk", "desk", words))

    def _relieve(self) -> None:
        if self._complaint:
            self._complaint = ""
            self._notify(Notice("desk", "desk", "The desk shows everything again.", is_over=True))

    async def _sleep(self) -> None:
        waits = [at for job, at in self._not_before.items() if job not in self._tasks]
        seconds = max(0.0, min([self._tick, *(at - self._clock() for at in waits)]))
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            now = self._clock()
            for job in [job for job, at in self._not_before.items() if at <= now and job not in self._tasks]:
                del self._not_before[job]

"""Reads a stream that may be late: one timer for all of it, since one for every event would cost as much as reading."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

T = TypeVar("T")

_BREATH = 256
"""After so many events everybody else has a turn, though the stream never made anybody wait."""


class Late(Exception):
    """Nothing came until `Alarm.due`."""


class Alarm:
    """Reads with `next` until the moment `due` on `clock`, which may be moved at any time. Close it at the end."""

    def __init__(self, due: float, clock: Callable[[], float]) -> None:
        self.due = due
        self._clock = clock
        self._read = 0
        self._task: asyncio.Task[object] | None = None
        """Who waits in `next` at this moment: nobody else may be interrupted."""
        self._cancelled_before: int | None = None
        """How often that task was cancelled when the alarm rang; None: it has not rung."""
        self._timer: asyncio.TimerHandle | None = None

    async def next(self, events: AsyncIterator[T]) -> T | None:
        """The next event; None: there are no more. Raises `Late`."""
        self._read += 1
        if self._read % _BREATH == 0:
            await asyncio.sleep(0)
        if self._clock() >= self.due:
            raise Late
        if self._timer is None:
            self._ring()
        self._task = asyncio.current_task()
        try:
            event = await anext(events)
        except StopAsyncIteration:
            event = None
        except asyncio.CancelledError:
            if self._is_ours():
                raise Late from None
            raise
        finally:
            self._task = None
        if self._is_ours():
            raise Late
        return event

    def close(self) -> None:
        """It rings no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self._timer = None
        left = self.due - self._clock()
        if left > 0:
            if left < math.inf:
                self._timer = asyncio.get_running_loop().call_later(left, self._ring)
        elif self._task is not None:
            self._cancelled_before = self._task.cancelling()
            self._task.cancel()

    def _is_ours(self) -> bool:
        """Whether it was the alarm, and nobody besides, that ended the wait."""
        before, self._cancelled_before = self._cancelled_before, None
        task = asyncio.current_task()
        return before is not None and task is not None and task.uncancel() <= before

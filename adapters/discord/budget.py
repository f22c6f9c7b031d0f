"""A steady rate for calls that are no answers, so that these always find room in the account's budget."""

import asyncio
import time
from collections.abc import Callable


class Budget:
    """`rate` calls a second, `burst` of them at once; who comes later waits, in order."""

    def __init__(self, *, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = 1.0 / rate
        self._slack = (burst - 1) * self._every
        self._clock = clock
        self._next = 0.0

    async def spend(self) -> None:
        """Wait for one's turn."""
        now = self._clock()
        at = max(self._next, now - self._slack)
        self._next = at + self._every
        if at > now:
            await asyncio.sleep(at - now)

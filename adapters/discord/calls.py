"""Makes the calls to Discord: each ends in time, and fails with an error of ours."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable
from typing import TypeVar

from adapters.discord.budget import Budget
from adapters.discord.failures import CALL_ERRORS, platform_error
from bot.errors import RecipientGone

log = logging.getLogger(__name__)

T = TypeVar("T")


class Calls:
    """`timeout` is in seconds and bounds discord.py's own tries and pauses, too, but not the wait for `budget`."""

    def __init__(self, *, timeout: float, budget: Budget | None = None, warns: bool = True) -> None:
        self._timeout = timeout
        self._budget = budget
        self._warns = warns
        self._warned: set[str] = set()

    async def make(self, call: Awaitable[T], where: str) -> T:
        """Await a call of discord.py about `where` (`channel 123`). Raises what `platform_error` says.

        A place that is closed to the bot is logged once if this `warns`.
        """
        try:
            await self._turn(call)
            async with asyncio.timeout(self._timeout):
                return await call
        except CALL_ERRORS as exc:
            error = platform_error(exc, where)
            if self._warns and isinstance(error, RecipientGone) and where not in self._warned:
                self._warned.add(where)
                log.warning("%s", error)
            raise error from exc

    async def _turn(self, call: Awaitable[T]) -> None:
        try:
            if self._budget is not None:
                await self._budget.spend()
        except asyncio.CancelledError:
            if inspect.iscoroutine(call):
                call.close()  # nobody will await it
            raise

"""Updates that Telegram posts side by side: within a chat they are stored in the order of their numbers."""

import asyncio
import itertools
import time
from bisect import insort
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from bot.errors import StorageError

_PATIENCE = 1.0


@dataclass(slots=True, eq=False)
class Arrival:
    """One post, from its first byte on: `rank` is its place in its chat, as soon as it is read."""

    began: float
    rank: tuple[int, int] = (0, 0)
    is_spoilt: bool = False
    """One before it could not be stored and comes again; this one is to come behind it."""


class Abreast:
    """The posts that are under way. None waits longer than `patience` seconds for the bytes of another one.

    The numbers are there "to restore the correct update sequence, should they get out of order":
    https://core.telegram.org/bots/api#update. What is not under way at the same time comes as Telegram sends it.
    """

    def __init__(self, *, patience: float = _PATIENCE, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._unread: set[Arrival] = set()
        self._chats: dict[str, list[Arrival]] = {}
        self._count = itertools.count()
        self._changed = asyncio.Event()

    @contextmanager
    def arriving(self) -> Iterator[Arrival]:
        """A post begins; it may turn out to be the one that others are behind."""
        arrival = Arrival(self._clock())
        self._unread.add(arrival)
        try:
            yield arrival
        finally:
            self._is_read(arrival)

    @asynccontextmanager
    async def turn(self, arrival: Arrival, *, chat: str, number: int) -> AsyncIterator[None]:
        """The turn of a post that is read. Raises `StorageError` when one before it in its chat has raised it."""
        self._is_read(arrival)
        arrival.rank = (number, next(self._count))
        line = self._chats.setdefault(chat, [])
        insort(line, arrival, key=lambda other: other.rank)
        try:
            await self._others_are_read()
            while line[0] is not arrival:
                await self._changed.wait()
            if arrival.is_spoilt:
                raise StorageError("the message before it in its chat is not stored yet")
            yield
        except StorageError:
            for other in line:
                other.is_spoilt = True
            raise
        finally:
            line.remove(arrival)
            if not line:
                del self._chats[chat]
            self._tell()

    async def _others_are_read(self) -> None:
        """Any of those that are being read may belong before this one."""
        others = self._unread.copy()
        while others := others & self._unread:
            left = max(other.began for other in others) + self._patience - self._clock()
            if left <= 0:
                return
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _is_read(self, arrival: Arrival) -> None:
        if arrival in self._unread:
            self._unread.remove(arrival)
            self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def chat_of(raw: object) -> str:
    """What tells the chat of an update from others; the same for all that name none."""
    parts: Iterator[Any] = iter(raw.values() if isinstance(raw, Mapping) else ())
    chats = (part.get("chat") for part in parts if isinstance(part, Mapping))
    return next((str(chat.get("id")) for chat in chats if isinstance(chat, Mapping)), "")

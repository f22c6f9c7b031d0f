"""How many streams run at the same time, and who is next: conversations in turn, each in its own order."""

import asyncio
import itertools
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from bot.llm.base import ChatModel, ModelEvent, ModelRequest


class Gate:
    """Lets `limit` streams in at once. A conversation that wants many gets one place, then the others have theirs."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running = 0
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._nameless = itertools.count()

    @property
    def waiting(self) -> int:
        """So many wait outside."""
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def passed(self, conversation: str = "") -> AsyncIterator[None]:
        """Inside. Who is cancelled while it waits gives up its place."""
        await self._enter(conversation or f"nameless {next(self._nameless)}")
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, conversation: str) -> None:
        if self.running < self.limit and not self._waiting:
            self.running += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(conversation, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()  # it was let in at the moment in which it gave up
            else:
                self._forget(conversation, place)
            raise

    def _leave(self) -> None:
        """Hands the place on, so that nobody new can slip in before those who wait."""
        if not self._waiting:
            self.running -= 1
            return
        conversation, places = self._waiting.popitem(last=False)
        places.popleft().set_result(None)
        if places:
            self._waiting[conversation] = places

    def _forget(self, conversation: str, place: asyncio.Future[None]) -> None:
        places = self._waiting[conversation]
        places.remove(place)
        if not places:
            del self._waiting[conversation]


class GatedModel:
    """A model whose streams pass a gate, which it may share with others."""

    def __init__(self, model: ChatModel, gate: Gate) -> None:
        self._model = model
        self._gate = gate

    @property
    def name(self) -> str:
        return self._model.name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        async with self._gate.passed(request.conversation), aclosing(self._model.stream(request)) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        await self._model.close()

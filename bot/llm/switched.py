"""A model that can be switched off: another one, which needs nobody, answers as long as it is."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from bot.llm.base import ChatModel, Finished, ModelEvent, ModelRequest, Restarted


class Switched:
    """`model` while `is_on`, else `instead`; its name is that of the one that answers now.

    An answer that is being written when the switch is turned is replaced with the next word that comes of it: no
    further token is paid for, and what it has said is void.
    """

    def __init__(self, model: ChatModel, instead: ChatModel, is_on: Callable[[], bool]) -> None:
        self._model = model
        self._instead = instead
        self._is_on = is_on

    @property
    def name(self) -> str:
        return self._model.name if self._is_on() else self._instead.name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        if self._is_on():
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    yield event
                    if not self._is_on():
                        break
                else:
                    return
            if isinstance(event, Finished):
                return
            yield Restarted()
        async with aclosing(self._instead.stream(request)) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        await self._model.close()
        await self._instead.close()

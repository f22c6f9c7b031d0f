"""A model of which some turns ask another one."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from bot.llm.base import ChatModel, ModelEvent, ModelRequest


class CanaryModel:
    """`stable`, unless `tried` knows a model for the `variant` of a request; its name is that of the stable one.

    `close_all` gives back the connections of both.
    """

    def __init__(
        self,
        stable: ChatModel,
        tried: Callable[[int | None], ChatModel | None],
        close_all: Callable[[], Awaitable[None]],
    ) -> None:
        self._stable = stable
        self._tried = tried
        self._close_all = close_all

    @property
    def name(self) -> str:
        return self._stable.name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        model = self._tried(request.variant) or self._stable
        async with aclosing(model.stream(request)) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        await self._close_all()

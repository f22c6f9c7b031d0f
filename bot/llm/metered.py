"""A model around a model that counts how soon its answers come, how fast they grow, and whose they are."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from bot.llm.base import ChatModel, Finished, ModelEvent, ModelRequest, Restarted, TextDelta
from bot.metrics import Metrics
from bot.text import is_blank


class MeteredModel:
    """Hands on everything as it is. A piece of text costs no more than being handed on: all is counted at the
    beginning and at the end of an answer."""

    def __init__(self, model: ChatModel, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._metrics = metrics
        self._clock = clock

    @property
    def name(self) -> str:
        return self._model.name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        metrics, clock, asked = self._metrics, self._clock, self._model.name
        began = clock()
        speaks_since: float | None = None
        is_begun = has_spoken = False
        metrics.streams.inc()
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    if not is_begun:
                        is_begun = True
                        metrics.began(asked, clock() - began)
                    if isinstance(event, TextDelta):
                        if speaks_since is None and not is_blank(event.text):
                            speaks_since = clock()
                            if not has_spoken:
                                has_spoken = True
                                metrics.spoke(asked, speaks_since - began)
                    elif isinstance(event, Restarted):
                        speaks_since = None
                        metrics.restarted()
                    elif isinstance(event, Finished):
                        self._finished(event, speaks_since)
                    yield event
        finally:
            metrics.streams.dec()

    async def close(self) -> None:
        await self._model.close()

    def _finished(self, end: Finished, speaks_since: float | None) -> None:
        took = 0.0 if speaks_since is None else self._clock() - speaks_since
        speed = end.usage.output_tokens / took if took > 0 and end.usage.output_tokens else None
        self._metrics.finished(end.payer.model or end.model, speed)

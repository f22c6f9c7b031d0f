"""A model around a model that says what its answers cost; and a guess at what those have used that broke off."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from bot.llm.base import Billed, ChatModel, Finished, ModelEvent, ModelRequest, Usage
from bot.llm.prices import OFFLINE, Prices
from bot.text import estimate_tokens


class Priced:
    """Fills in `Usage.cost` wherever what was used is told, unless the model has said that, too; all else is handed on
    as it is."""

    def __init__(self, model: ChatModel, prices: Prices) -> None:
        self._model = model
        self._prices = prices

    @property
    def name(self) -> str:
        return self._model.name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        async with aclosing(self._model.stream(request)) as events:
            async for event in events:
                if isinstance(event, Billed | Finished):
                    payer = event.payer if event.payer.model else replace(event.payer, model=self._model.name)
                    cost = event.usage.cost or self._prices.cost(payer.model, event.usage)
                    usage = replace(event.usage, cost=cost)
                    yield replace(event, usage=usage, payer=payer)
                else:
                    yield event

    async def close(self) -> None:
        await self._model.close()


def broken_off(request: ModelRequest, told: Billed | None, said: str, *, model: str, prices: Prices) -> Billed | None:
    """What a request has used whose answer broke off after the text `said`; None: no more is known than was told.

    A provider counts an answer's words at its end, and some count all only then. What they have not `told` is guessed
    from the texts, on the high side, and marked (`Usage.estimated_tokens`). `model` is billed where nobody else is.
    """
    if told is None:
        if not said:
            return None  # it may never have begun
        told = Billed(_question(request))
    payer = told.payer if told.payer.model else replace(told.payer, model=model)
    more = estimate_tokens(said) - told.usage.output_tokens if said else 0
    if payer.model == OFFLINE or (more <= 0 and not told.usage.estimated_tokens):
        return None
    usage = replace(
        told.usage,
        output_tokens=told.usage.output_tokens + max(0, more),
        estimated_tokens=told.usage.estimated_tokens + max(0, more),
    )
    return Billed(replace(usage, cost=prices.cost(payer.model, usage)), payer)


def _question(request: ModelRequest) -> Usage:
    """All that is read; none of it from the cache, for all that is known."""
    texts = [request.system, request.context, *(message.text for message in request.messages)]
    results = (result for one in request.rounds for result in one.results)
    sections = (section.text for section in (*request.sections, *request.found))
    tokens = sum(map(estimate_tokens, [*texts, *sections, *(result.text for result in results)]))
    return Usage(input_tokens=tokens, estimated_tokens=tokens)

"""Measures a model with two small requests that begin alike: how fast it writes, and whether its cache is read."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from bot.llm.base import Billed, ChatModel, Finished, ModelMessage, ModelRequest, TextDelta, Usage

_BEGINNING = "\n".join(f"Rule {number}: a shop does as it has promised, and says so." for number in range(1, 81))
"""Some 1,200 tokens, since no provider keeps a short beginning: Claude's models want 512 or 1,024, older ones 4,096."""
_QUESTION = "Count from one to forty in words, on one line."
_TOKENS, _FEW_TOKENS = 96, 16
_MANY_TOKENS = 24
_AT_ONCE, _LONG = 0.02, 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """What two requests have shown. Times are in seconds."""

    first_text: float | None
    """Of the first one."""
    took: float
    """From its first text to its last."""
    tokens: int
    """That it wrote."""
    usages: tuple[Usage, Usage]

    @property
    def tokens_per_second(self) -> float | None:
        """None: it wrote too little, or all of it came at once."""
        return self.tokens / self.took if self.tokens >= _MANY_TOKENS and self.took > _AT_ONCE else None

    @property
    def is_held_back(self) -> bool:
        """All of a longer answer came in one instant, after a wait in which some of it was ready."""
        waited = self.first_text is not None and self.first_text > _LONG
        return waited and self.tokens >= _MANY_TOKENS and self.took < _AT_ONCE

    @property
    def cached(self) -> int:
        """Tokens that were read from the provider's cache."""
        return max(usage.cache_read_tokens for usage in self.usages)


async def measure(model: ChatModel, *, timeout: float = 30.0, clock: Callable[[], float] = time.monotonic) -> Measured:
    """Ask twice. Raises `ModelError`, and `TimeoutError` after so many seconds."""
    request = ModelRequest(_BEGINNING, (ModelMessage("user", _QUESTION),), max_tokens=_TOKENS)
    async with asyncio.timeout(timeout):
        first_text, took, usage = await _ask(model, request, clock)
        _, _, again = await _ask(model, replace(request, max_tokens=_FEW_TOKENS), clock)
    return Measured(first_text, took, usage.output_tokens, (usage, again))


async def _ask(
    model: ChatModel, request: ModelRequest, clock: Callable[[], float]
) -> tuple[float | None, float, Usage]:
    began, usage = clock(), Usage()
    first: float | None = None
    last = began
    async with aclosing(model.stream(request)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                last = clock()
                first = last if first is None else first
            elif isinstance(event, Billed | Finished):
                usage = event.usage
    return (None if first is None else first - began), (0.0 if first is None else last - first), usage

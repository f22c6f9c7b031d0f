"""A `ChatModel` that says what a test tells it, and keeps every request."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from bot.llm.base import Billed, Cited, Finished, ModelEvent, ModelRequest, StopReason, TextDelta, ToolCall, Usage


@dataclass(slots=True)
class ScriptedModel:
    """`script` gives the steps of each answer; the end event follows by itself unless a step fails. What calls tools
    waits for them."""

    script: Callable[[ModelRequest], Sequence[str | Cited | ToolCall | Exception | asyncio.Event]] = lambda request: (
        "Dạ vâng.",
    )
    stop_reason: StopReason = "end"
    name: str = "scripted"
    billed: Usage | None = None
    """Told at the beginning of each stream, as a provider does."""
    requests: list[ModelRequest] = field(default_factory=list)
    broken_off: int = 0
    """How many streams were closed before their end."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        try:
            if self.billed is not None:
                yield Billed(self.billed)
            steps = self.script(request)
            for step in steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, Cited | ToolCall):
                    yield step
                else:
                    yield TextDelta(step)
        except (GeneratorExit, asyncio.CancelledError):
            self.broken_off += 1
            raise
        waits = any(isinstance(step, ToolCall) for step in steps)
        yield Finished(Usage(10, 20, 30, 40), self.name, "tools" if waits else self.stop_reason)

    async def close(self) -> None: ...

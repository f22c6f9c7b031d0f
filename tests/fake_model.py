"""A `ChatModel` that says what a test tells it, and keeps every request."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from bot.llm.base import (
    Billed,
    Cited,
    Finished,
    ModelEvent,
    ModelRequest,
    Payer,
    Restarted,
    StopReason,
    TextDelta,
    ToolCall,
    Usage,
)

Step = str | Billed | Cited | ToolCall | Restarted | Exception | asyncio.Event


@dataclass(slots=True)
class ScriptedModel:
    """`script` gives the steps of each answer; the end event follows by itself unless a step fails. What calls tools
    waits for them."""

    script: Callable[[ModelRequest], Sequence[Step]] = lambda request: ("Dạ vâng.",)
    stop_reason: StopReason = "end"
    name: str = "scripted"
    billed: Usage | None = None
    """Told at the beginning of each stream, as a provider does."""
    requests: list[ModelRequest] = field(default_factory=list)
    broken_off: int = 0
    """How many streams were closed before their end."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        payer = Payer()
        try:
            if self.billed is not None:
                yield Billed(self.billed)
            steps = self.script(request)
            for step in steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, Billed):
                    payer = step.payer
                    yield step
                elif isinstance(step, Cited | ToolCall | Restarted):
                    yield step
                else:
                    yield TextDelta(step)
        except (GeneratorExit, asyncio.CancelledError):
            self.broken_off += 1
            raise
        waits = any(isinstance(step, ToolCall) for step in steps)
        yield Finished(Usage(10, 20, 30, 40), self.name, "tools" if waits else self.stop_reason, payer=payer)

    async def close(self) -> None: ...

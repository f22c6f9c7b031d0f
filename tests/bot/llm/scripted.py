"""Models that play a list of attempts, on a clock that only they and the sleeps move."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from bot.errors import ModelError
from bot.llm.base import Billed, Finished, ModelEvent, ModelMessage, ModelRequest, Payer, TextDelta, Usage

ASKED = ModelRequest(system="", messages=(ModelMessage("user", "Bao lâu thì có hàng?"),), conversation="7")


@dataclass(slots=True)
class Time:
    """Seconds that pass when somebody says so; `sleeps` has when each sleep began, and how long it was."""

    now: float = 1000.0
    sleeps: list[tuple[float, float]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append((self.now, seconds))
        self.now += seconds


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one request brings: its events, then a failure, an end, or (None) nothing more. `takes` seconds."""

    events: Sequence[ModelEvent] = ()
    end: ModelError | Finished | None = None
    takes: float = 0.0


def says(*texts: str, end: ModelError | None = None, takes: float = 0.0, by: str = "claude") -> Attempt:
    """An answer in these pieces, billed first, as providers do; whole, unless it ends in a failure."""
    usage, payer = Usage(5, 1), Payer(by, "key 1")
    pieces: list[ModelEvent] = [Billed(usage, payer), *(TextDelta(text) for text in texts)]
    return Attempt(pieces, end or Finished(Usage(5, 9), by, payer=payer), takes)


def fails(error: ModelError, takes: float = 0.0) -> Attempt:
    """Nothing but this."""
    return Attempt((), error, takes)


@dataclass(slots=True)
class Player:
    """Plays one attempt after the other, and the last one again and again."""

    attempts: Sequence[Attempt]
    name: str = "anthropic:one"
    time: Time = field(default_factory=Time)
    requests: list[ModelRequest] = field(default_factory=list)
    handed_on: list[list[ModelEvent]] = field(default_factory=list)
    """What each attempt has yielded."""
    closed: int = 0
    is_closed: bool = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        attempt = self.attempts[min(len(self.requests), len(self.attempts) - 1)]
        self.requests.append(request)
        said: list[ModelEvent] = []
        self.handed_on.append(said)
        self.time.now += attempt.takes
        try:
            for event in attempt.events:
                said.append(event)
                yield event
            if isinstance(attempt.end, ModelError):
                raise attempt.end
            if attempt.end is not None:
                said.append(attempt.end)
                yield attempt.end
        finally:
            self.closed += 1

    async def close(self) -> None:
        self.is_closed = True


def text_of(events: Sequence[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))

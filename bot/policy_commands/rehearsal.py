"""Answers the questions of policy tests as the shop would: the engine itself, with a database that is thrown away."""

import asyncio
import itertools
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path

from bot.bursts import Arrivals
from bot.chat import (
    Address,
    Attachment,
    InboundMessage,
    MessageLimits,
    MessageRef,
    OutboundMessage,
    Ready,
    Receive,
)
from bot.engine.engine import Engine
from bot.engine.limits import EngineLimits
from bot.errors import ModelError, Unavailable
from bot.llm.base import Billed, ChatModel, Finished, ModelEvent, ModelRequest, Restarted, Usage
from bot.policies.examine import Ask, Said
from bot.policies.live import Policies
from bot.policies.period import NOON
from bot.scheduler import SendScheduler
from bot.storage.database import Database
from bot.storage.messages import Messages, StoredMessage
from bot.storage.turns import Turns

_PLATFORM = "rehearsal"
_LIMITS = EngineLimits()


@asynccontextmanager
async def rehearsal(model: ChatModel, *, timezone: tzinfo, limits: EngineLimits = _LIMITS) -> AsyncIterator[Ask]:
    """Gives what answers a test's question. Each question is a conversation of its own; no customer is involved."""
    with tempfile.TemporaryDirectory(prefix="shopdesk-") as folder:
        database = await Database.open(Path(folder) / "rehearsal.db")
        scheduler = SendScheduler(_Nowhere())
        sending = asyncio.create_task(scheduler.run())
        stage = _Stage(model, database, scheduler, timezone, limits)
        try:
            yield stage.ask
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await database.close()


class _Stage:
    def __init__(
        self,
        model: ChatModel,
        database: Database,
        scheduler: SendScheduler,
        timezone: tzinfo,
        limits: EngineLimits,
    ) -> None:
        self._model = model
        self._messages, self._turns = Messages(database), Turns(database)
        self._scheduler = scheduler
        self._timezone = timezone
        self._limits = limits
        self._numbers = itertools.count(1)

    async def ask(self, policies: Policies, turns: Sequence[str], at: date | None) -> Said:
        """As `bot.policies.examine.Ask`: every turn is answered, since the last may hang on what was said before."""
        model = _Metered(self._model)
        now = self._clock(at)
        engine = Engine(
            model=model,
            policies=lambda: policies,
            messages=self._messages,
            turns=self._turns,
            schedulers={_PLATFORM: self._scheduler},
            timezone=self._timezone,
            limits=self._limits,
            now=now,
        )
        address = Address(_PLATFORM, str(next(self._numbers)))
        for turn in turns:
            await self._answer(engine, address, turn, now())
            if model.fault:
                return Said("", model.usage, f"the model gave no answer: {model.fault}")
        transcript = await self._turns.transcript(address)
        answers = [past.text for past in transcript if past.role == "assistant"]
        return Said(answers[-1] if answers else "", model.usage)

    async def _answer(self, engine: Engine, address: Address, text: str, at: datetime) -> None:
        number = str(next(self._numbers))
        message = InboundMessage(number, address, address.chat_id, "", text, at)
        received = await self._messages.receive(message, at=at)
        conversation, waiting = await self._messages.waiting(received.conversation_id)

        async def nothing_more() -> Sequence[StoredMessage]:
            return waiting

        arrivals = Arrivals(
            waiting,
            read=nothing_more,
            missed=False,
            burst_wait=0.0,
            clock=asyncio.get_running_loop().time,
            sleep=asyncio.sleep,
        )
        await engine.answer(conversation, waiting, arrivals)

    def _clock(self, at: date | None) -> Callable[[], datetime]:
        if at is None:
            return lambda: datetime.now(UTC)
        return lambda: datetime.combine(at, NOON, self._timezone)


class _Metered:
    """A model that counts what it costs, and remembers why it failed."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model
        self.usage = Usage()
        self.fault = ""

    @property
    def name(self) -> str:
        return self._model.name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        spent = self.usage
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    if isinstance(event, Billed | Finished):
                        self.usage = spent + event.usage
                    elif isinstance(event, Restarted):
                        spent = self.usage
                    yield event
        except ModelError as exc:
            self.fault = str(exc) or type(exc).__name__
            raise

    async def close(self) -> None:
        """The model is another's."""


class _Nowhere:
    """A `ChatPlatform` that shows nothing to nobody."""

    name = _PLATFORM
    limits = MessageLimits(max_units=1_000_000, min_interval=0.0, calls_in_flight=16, shows_sources=True)

    async def run(self, receive: Receive, ready: Ready) -> None:
        """Nobody writes."""

    def measure(self, text: str) -> int:
        return len(text)

    def is_group(self, at: Address) -> bool:
        return False

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        return MessageRef(to, key)

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        return ref

    async def delete(self, ref: MessageRef) -> None:
        """Nobody looks."""

    async def show_typing(self, at: Address) -> None: ...

    async def download(self, attachment: Attachment, *, limit: int) -> bytes:
        raise Unavailable("nothing is ever attached here", maybe_applied=False)

    async def close(self) -> None: ...

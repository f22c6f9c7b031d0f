"""Asks two models the same questions, each as the shop would: what an owner wants to see before switching."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Self
from zoneinfo import ZoneInfo

from bot.chat import Source
from bot.config import Config
from bot.engine.limits import EngineLimits
from bot.errors import PromptsError, SettingsError, StorageError
from bot.llm.base import ChatModel, Cited, ModelEvent, ModelRequest, Restarted, TextDelta, Usage
from bot.llm.priced import Priced
from bot.llm.prices import Prices
from bot.policies.examine import Ask
from bot.policies.live import Policies
from bot.policies.naming import FOLDER
from bot.policy_commands.chosen import Chosen, chosen
from bot.policy_commands.rehearsal import rehearsal
from bot.policy_commands.tried import MakeModel, with_model
from bot.settings import Settings
from bot.text import is_blank

QUESTIONS = 5
"""So many of the shop's own tests are asked when nobody says what to ask."""
_LIVE = "live"


@dataclass(frozen=True, slots=True)
class Side:
    """What one model made of one question. Times are in seconds from asking; None: it did not come to that."""

    model: str
    text: str
    fault: str
    """Why there is no answer, in a sentence; empty: there is one."""
    first_text: float | None
    total: float
    usage: Usage
    sources: tuple[Source, ...]
    is_priced: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """One question, and what each model made of it. `turns` are what the customer writes, one after the other."""

    turns: tuple[str, ...]
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """One model over all questions; times are medians of what was answered."""

    model: str
    answered: int
    asked: int
    first_text: float | None
    total: float | None
    usage: Usage
    is_priced: bool


async def compare(
    settings: Settings, config: Config, names: tuple[str, str], questions: Sequence[str], make: MakeModel
) -> AsyncGenerator[Compared, None]:
    """Ask one question after the other, both models at the same time. A model that fails says why, and goes on with
    the next one. Raises a `ShopdeskError` before anything is asked when a name is wrong or there is nothing to ask."""
    on = await _policies_of(settings)
    asked = [(question,) for question in questions] if questions else _own_questions(on)
    async with AsyncExitStack() as stack:
        sides = [
            await stack.enter_async_context(_Side.opened(settings, config, name, on.policies, make)) for name in names
        ]
        for turns in asked:
            yield Compared(turns, tuple(await asyncio.gather(*(side.ask(on.policies, turns) for side in sides))))


def totals(compared: Sequence[Compared]) -> tuple[Total, ...]:
    """Both models over all questions."""
    return tuple(_total([one.sides[number] for one in compared]) for number in range(2)) if compared else ()


def _total(sides: Sequence[Side]) -> Total:
    good = [side for side in sides if not side.fault]
    firsts = [side.first_text for side in good if side.first_text is not None]
    return Total(
        sides[0].model,
        len(good),
        len(sides),
        median(firsts) if firsts else None,
        median(side.total for side in good) if good else None,
        sum((side.usage for side in sides), Usage()),
        sides[0].is_priced,
    )


async def _policies_of(settings: Settings) -> Chosen:
    """What is live; where nothing is yet, the folder."""
    try:
        return await chosen(settings, _LIVE)
    except (StorageError, PromptsError):
        return await chosen(settings, FOLDER)


def _own_questions(on: Chosen) -> list[tuple[str, ...]]:
    """Some of the shop's own tests, of as many files as possible. Raises `SettingsError` when there are none."""
    by_file: dict[str, list[tuple[str, ...]]] = {}
    for test in on.policies.prompts.tests:
        by_file.setdefault(test.file, []).append(test.turns)
    most = max(map(len, by_file.values()), default=0)
    spread = [turns[number] for number in range(most) for turns in by_file.values() if number < len(turns)]
    if not spread:
        raise SettingsError(f"There are no tests in {on.name} to ask: write what to ask behind --question.")
    return spread[:QUESTIONS]


class _Side:
    """One model, with all that it needs to answer as the shop does."""

    def __init__(self, watch: "_Watch", ask: Ask, *, is_priced: bool) -> None:
        self._watch = watch
        self._ask = ask
        self._is_priced = is_priced

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, settings: Settings, config: Config, name: str, policies: Policies, make: MakeModel
    ) -> AsyncIterator[Self]:
        """Ready to be asked. Raises `SettingsError` when there is no such model."""
        model, prices = make(with_model(settings, name, "--compare"), policies), Prices(config.prices)
        try:
            watch = _Watch(Priced(model, prices))
            limits = EngineLimits(section_tokens=settings.shopdesk_section_tokens)
            async with rehearsal(watch, timezone=ZoneInfo(settings.shopdesk_timezone), limits=limits) as ask:
                yield cls(watch, ask, is_priced=prices.of(name) is not None)
        finally:
            await model.close()

    async def ask(self, policies: Policies, turns: tuple[str, ...]) -> Side:
        watch = self._watch
        watch.start()
        said = await self._ask(policies, turns, None)
        return Side(
            watch.name,
            "" if said.fault else said.text,
            said.fault,
            watch.first_text,
            watch.total,
            said.usage,
            tuple(watch.cited.values()),
            self._is_priced,
        )


class _Watch:
    """A model that tells when it said its first word and its last, and which sections it relied on."""

    def __init__(self, model: ChatModel, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._clock = clock
        self.start()

    def start(self) -> None:
        """The next question comes; of several turns the last one counts."""
        self.first_text: float | None = None
        self.total = 0.0
        self.cited: dict[str, Source] = {}
        self._began: float | None = None

    @property
    def name(self) -> str:
        return self._model.name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        if self._began is None or not request.rounds:
            self.start()
            self._began = self._clock()
        began = self._began or 0.0
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        if self.first_text is None and not is_blank(event.text):
                            self.first_text = self._clock() - began
                    elif isinstance(event, Cited) and event.section_id in request.known:
                        self.cited[event.section_id] = request.known[event.section_id]
                    elif isinstance(event, Restarted):
                        self.cited.clear()
                    yield event
        finally:
            self.total = self._clock() - began

    async def close(self) -> None:
        """The model is another's."""

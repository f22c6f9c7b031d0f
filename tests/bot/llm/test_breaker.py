"""A model that does not answer is left alone, and asked again by one at a time."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import KeyRefused, ModelError, ModelRefused, ModelRejected, ModelUnavailable
from bot.llm.base import ChatModel, ModelEvent, ModelRequest, TextDelta
from bot.llm.breaker import Breaker
from bot.notices import Notice
from tests.bot.llm.scripted import ASKED, Attempt, Player, Time, fails, says, text_of

DOWN = ModelUnavailable("529")


class Stage:
    """A breaker in front of a model that fails or answers as `play` says."""

    def __init__(self, **options: float) -> None:
        self.time = Time()
        self.model = Player([fails(DOWN)], time=self.time)
        self.notices: list[Notice] = []
        self.breaker = Breaker(
            self.model,
            notify=self.notices.append,
            clock=self.time.clock,
            **options,  # type: ignore[arg-type]
        )
        self.port: ChatModel = self.breaker

    @property
    def state(self) -> str:
        return self.breaker.state

    def play(self, *attempts: Attempt) -> None:
        self.model.attempts = attempts
        self.model.requests.clear()

    async def ask(self, conversation: str = "") -> str:
        """The answer, or the name of the failure; `open` when the model was not asked."""
        before = len(self.model.requests)
        try:
            events = [event async for event in self.port.stream(replace(ASKED, conversation=conversation))]
        except ModelError as exc:
            return type(exc).__name__ if len(self.model.requests) > before else "open"
        return text_of(events)

    async def opened(self) -> None:
        for _ in range(5):
            await self.ask()
        assert self.state == "open"


async def test_five_failures_in_a_row_open_it_with_one_notice() -> None:
    stage = Stage()
    assert [await stage.ask() for _ in range(8)] == ["ModelUnavailable"] * 5 + ["open"] * 3
    assert [(notice.kind, notice.about, notice.is_over) for notice in stage.notices] == [
        ("breaker", "anthropic:one", False)
    ]


async def test_while_it_is_open_nobody_is_told_to_try_again() -> None:
    stage = Stage()
    await stage.opened()
    with pytest.raises(ModelUnavailable) as told:
        _ = [event async for event in stage.port.stream(ASKED)]
    assert not told.value.again


async def test_a_success_between_failures_keeps_it_closed() -> None:
    stage = Stage()
    stage.play(*[fails(DOWN)] * 4, says("Ba."), *[fails(DOWN)] * 4, says("Ba."))
    for _ in range(10):
        await stage.ask()
    assert stage.state == "closed"


async def test_a_failure_in_the_middle_of_an_answer_counts() -> None:
    stage = Stage()
    stage.play(says("Ba ", end=DOWN))
    await stage.opened()


async def test_a_high_rate_of_failures_opens_it_once_there_are_enough_requests() -> None:
    stage = Stage()
    stage.play(*[fails(DOWN), says("Ba.")] * 9, says("Ba."), fails(DOWN))
    for _ in range(19):
        await stage.ask()
    assert stage.state == "closed"
    await stage.ask()
    assert stage.state == "open"


async def test_failures_that_are_long_past_do_not_count_for_the_rate() -> None:
    stage = Stage(window=30.0)
    stage.play(*[fails(DOWN), says("Ba.")] * 9, says("Ba."))
    for _ in range(18):
        await stage.ask()
    stage.time.now += 31.0
    stage.play(*[fails(DOWN), says("Ba.")] * 9)
    for _ in range(18):
        await stage.ask()
    assert stage.state == "closed"


async def test_a_probe_that_brings_a_whole_answer_closes_it_with_one_notice() -> None:
    stage = Stage()
    await stage.opened()
    stage.time.now += 10.0
    assert stage.state == "half_open"
    stage.play(says("Ba."))
    assert [await stage.ask() for _ in range(3)] == ["Ba."] * 3
    assert stage.state == "closed"
    assert [notice.is_over for notice in stage.notices] == [False, True]


async def test_a_probe_that_fails_keeps_it_open_and_nobody_is_told() -> None:
    stage = Stage()
    await stage.opened()
    for _ in range(3):
        stage.time.now += 10.0
        assert await stage.ask() == "ModelUnavailable"
        assert await stage.ask() == "open"
    assert len(stage.notices) == 1


class Held(Player):
    """Says a word, and the rest when it is let go."""

    go: asyncio.Event

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        async with aclosing(Player.stream(self, request)) as events:
            async for event in events:
                yield event
                if isinstance(event, TextDelta):
                    await self.go.wait()


def held(stage: Stage) -> Held:
    model = Held([says("Ba.")], time=stage.time)
    model.go = asyncio.Event()
    stage.breaker._model = model
    return model


async def test_one_probe_goes_through_at_a_time() -> None:
    stage = Stage()
    await stage.opened()
    stage.time.now += 10.0
    model = held(stage)
    async with aclosing(stage.port.stream(ASKED)) as probe:
        await anext(probe)
        assert await stage.ask() == "open"
        assert len(model.requests) == 1
        model.go.set()
        async for _ in probe:
            pass
    assert stage.state == "closed"


async def test_a_probe_that_is_closed_early_says_nothing_and_makes_room_for_the_next() -> None:
    stage = Stage()
    await stage.opened()
    stage.time.now += 10.0
    held(stage)
    async with aclosing(stage.port.stream(ASKED)) as probe:
        await anext(probe)
    assert stage.state == "half_open"
    stage.breaker._model = stage.model
    stage.play(says("Ba."))
    assert await stage.ask() == "Ba."


async def test_what_began_before_it_opened_neither_closes_it_nor_fails_it() -> None:
    stage = Stage()
    model = held(stage)
    async with aclosing(stage.port.stream(ASKED)) as early:
        await anext(early)
        stage.breaker._model = stage.model
        await stage.opened()
        model.go.set()
        async for _ in early:
            pass
    assert stage.state == "open"
    assert len(stage.notices) == 1


@pytest.mark.parametrize("error", [ModelRefused("no"), ModelRejected("wrong"), KeyRefused("429", retry_after=1.0)])
async def test_what_says_nothing_about_the_endpoint_counts_neither_way(error: ModelError) -> None:
    stage = Stage()
    stage.play(*[fails(DOWN)] * 4, *[fails(error)] * 30, fails(DOWN))
    for _ in range(34):
        await stage.ask()
    assert stage.state == "closed"
    await stage.ask()
    assert stage.state == "open"


async def test_one_message_that_cannot_be_digested_takes_the_model_from_nobody_else() -> None:
    stage = Stage()
    for _ in range(19):
        await stage.ask("poison")
    assert stage.state == "closed"
    stage.play(says("Ba."))
    assert await stage.ask("somebody") == "Ba."


async def test_closing_it_closes_the_model() -> None:
    stage = Stage()
    await stage.breaker.close()
    assert stage.model.is_closed


@given(st.lists(st.tuples(st.sampled_from([fails(DOWN), says("Ba.")]), st.sampled_from([0.0, 1.0, 11.0])), max_size=80))
def test_notices_alternate_and_an_open_breaker_makes_one_call_in_each_rest(
    steps: Sequence[tuple[Attempt, float]],
) -> None:
    async def play() -> None:
        stage = Stage()
        calls: list[float] = []
        for attempt, wait in steps:
            stage.time.now += wait
            stage.play(attempt)
            was_open = stage.state != "closed"
            if await stage.ask() != "open" and was_open:
                calls.append(stage.time.now)
            if stage.state == "closed":
                calls.clear()
        assert [notice.is_over for notice in stage.notices] == [bool(i % 2) for i in range(len(stage.notices))]
        assert all(later - earlier >= 10.0 for earlier, later in itertools.pairwise(calls))
        assert (stage.state == "closed") == (len(stage.notices) % 2 == 0)

    asyncio.run(play())

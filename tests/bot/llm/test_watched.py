"""A stream that falls silent has failed, however many pings it sends; one without an end is cut."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest

from bot.errors import ModelUnavailable
from bot.llm.base import Billed, Cited, Finished, ModelEvent, ModelRequest, Payer, TextDelta, ToolCall, Usage
from bot.llm.watched import MAX_CALLS, MAX_CHARS_PER_TOKEN, Watched
from tests.bot.llm.scripted import ASKED, Player, Time, says, text_of

END = Finished(Usage(), "m")
Step = ModelEvent | float
"""An event, or so many seconds in which nothing comes."""


class Slow:
    """Yields its steps; a silence really is one, on the loop's own clock, as short as the test makes it."""

    name = "anthropic:slow"

    def __init__(self, *steps: Step) -> None:
        self.steps = steps
        self.is_open = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.is_open = True
        try:
            for step in self.steps:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.is_open = False

    async def close(self) -> None: ...


async def read(model: Watched) -> list[ModelEvent]:
    return [event async for event in model.stream(ASKED)]


async def test_an_answer_in_time_passes_as_it_is() -> None:
    player = Player([says("Ba ", "ngày.")])
    watched = Watched(player)
    assert await read(watched) == player.handed_on[0]
    assert watched.name == "anthropic:one"
    await watched.close()
    assert player.is_closed


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ((60.0, END), "brought nothing for 0.03 s"),
        ((Billed(Usage()), 60.0, END), "said no word for 0.03 s"),
        ((Billed(Usage()), TextDelta(" "), 0.04, Billed(Usage()), 60.0, END), "said no word for 0.03 s"),
        ((TextDelta("Ba"), 60.0, END), "said no word for 0.03 s"),
        ((TextDelta("Ba"), 0.02, TextDelta("ngày"), 60.0, END), "said no word for 0.03 s"),
    ],
)
async def test_a_silence_is_a_failure_and_closes_the_stream(steps: Sequence[Step], complaint: str) -> None:
    slow = Slow(*steps)
    with pytest.raises(ModelUnavailable, match=complaint) as told:
        await read(Watched(slow, first_event=0.03, silence=0.03))
    assert told.value.again
    assert not slow.is_open


def at(times: Sequence[tuple[float, ModelEvent]]) -> tuple[Player, Callable[[], float]]:
    """A model whose events come at these seconds."""
    time = Time(now=0.0)

    class Timed(Player):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
            for moment, event in times:
                self.time.now = moment
                yield event

    return Timed((), time=time), time.clock


async def test_who_thinks_may_do_so_before_the_first_word() -> None:
    model, clock = at([(14, Billed(Usage())), (34, TextDelta("Ba")), (34, END)])
    assert (await read(Watched(model, clock=clock)))[-1] == END


@pytest.mark.parametrize("sign", [TextDelta("ngày"), ToolCall("1", "orders", {})])
async def test_words_and_calls_break_a_silence(sign: ModelEvent) -> None:
    model, clock = at([(1, TextDelta("Ba")), (20, sign), (39, TextDelta("ạ")), (39, END)])
    assert (await read(Watched(model, clock=clock)))[-1] == END


@pytest.mark.parametrize("noise", [TextDelta("\n"), TextDelta("\u200b"), Billed(Usage()), Cited("vi/a#b")])
async def test_noise_breaks_no_silence(noise: ModelEvent) -> None:
    model, clock = at([(1, TextDelta("Ba")), (11, noise), (22, noise), (23, END)])
    with pytest.raises(ModelUnavailable, match="said no word for 20 s"):
        await read(Watched(model, clock=clock))


async def test_a_reader_that_takes_its_time_is_no_silence() -> None:
    model, clock = at([(1, TextDelta("Ba")), (2, TextDelta("ngày")), (3, END)])
    events = []
    async for event in Watched(model, silence=5.0, clock=clock).stream(ASKED):
        events.append(event)
        model.time.now += 60.0
    assert events[-1] == END


async def test_an_answer_without_end_is_cut_and_paid_for() -> None:
    class Endless(Player):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
            yield Billed(Usage(7), Payer("m", "k"))
            try:
                while True:
                    yield TextDelta("xin chào " * 100)
            finally:
                self.closed += 1

    model = Endless(())
    events = await read(Watched(model))
    assert len(text_of(events)) == ASKED.max_tokens * MAX_CHARS_PER_TOKEN
    assert events[-1] == Finished(Usage(7), "anthropic:one", "max_tokens", payer=Payer("m", "k"))
    assert model.closed == 1


async def test_calls_without_end_are_a_failure_that_asking_again_does_not_mend() -> None:
    calls = [ToolCall(str(number), "orders", {}) for number in range(MAX_CALLS + 1)]
    with pytest.raises(ModelUnavailable) as told:
        await read(Watched(Slow(*calls, END)))
    assert not told.value.again


async def test_a_flood_of_events_leaves_others_their_turn() -> None:
    ticks: list[None] = []

    async def tick() -> None:
        while True:
            ticks.append(None)
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    await read(Watched(Slow(*[Billed(Usage())] * 10_000, TextDelta("x"), END)))
    ticking.cancel()
    assert len(ticks) >= 10_000 // 256


async def test_who_is_cancelled_at_the_moment_of_the_alarm_stays_cancelled() -> None:
    async def asking() -> None:
        await read(Watched(Slow(60.0), first_event=0.02))

    task = asyncio.create_task(asking())
    asyncio.get_running_loop().call_later(0.0199, task.cancel)
    with pytest.raises((asyncio.CancelledError, ModelUnavailable)):
        await task
    assert task.cancelled() or task.exception()


async def test_the_task_that_read_a_late_stream_can_go_on() -> None:
    """Nothing of the interruption is left behind: a time-out around it works as ever."""
    for _ in range(3):
        with pytest.raises(ModelUnavailable):
            await read(Watched(Slow(60.0), first_event=0.01))
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

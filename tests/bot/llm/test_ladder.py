"""One retry loop for all models: who is asked when, for how long, and what whoever listens is told."""

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from bot.errors import KeyRefused, ModelError, ModelRefused, ModelRejected, ModelUnavailable
from bot.llm.base import (
    Billed,
    ChatModel,
    Finished,
    Image,
    ModelEvent,
    ModelMessage,
    ModelRequest,
    Payer,
    Restarted,
    TextDelta,
    ToolCall,
    ToolRound,
    Usage,
)
from bot.llm.ladder import Ladder
from tests.bot.llm.scripted import ASKED, Attempt, Player, Time, fails, says, text_of

BUSY = ModelUnavailable("The model answers 529: Overloaded")
WRONG = ModelUnavailable("There is no such model", again=False)
LAST = says("Chính sách: ba ngày.", by="offline")
WITH_PICTURE = replace(ASKED, messages=(ModelMessage("user", "Áo này?", (Image("image/png", b"png"),)),))


class Stage:
    """A ladder of players on one clock."""

    def __init__(
        self, *rungs: Sequence[Attempt], last: Sequence[Attempt] | None = (LAST,), turn: float = 180.0
    ) -> None:
        self.time = Time()
        self.rungs = [Player(one, f"anthropic:{number}", self.time) for number, one in enumerate(rungs)]
        self.last = Player(last, "offline", self.time) if last else None
        self.ladder: ChatModel = Ladder(
            self.rungs, last=self.last, turn=turn, clock=self.time.clock, sleep=self.time.sleep, chance=lambda: 1.0
        )

    async def ask(self, request: ModelRequest = ASKED) -> list[ModelEvent]:
        return [event async for event in self.ladder.stream(request)]

    @property
    def asked(self) -> list[int]:
        """How often each rung was asked, and at the end the last one."""
        return [len(one.requests) for one in (*self.rungs, *([self.last] if self.last else ()))]

    @property
    def slept(self) -> list[float]:
        return [seconds for _, seconds in self.time.sleeps]


async def test_an_answer_passes_through_as_it_is() -> None:
    stage = Stage([says("Ba ", "ngày.")])
    assert await stage.ask() == stage.rungs[0].handed_on[0]
    assert (stage.asked, stage.slept) == ([1, 0], [])
    assert stage.ladder.name == "anthropic:0"


async def test_a_busy_model_is_asked_again_after_longer_and_longer_waits() -> None:
    stage = Stage([fails(BUSY), fails(BUSY), fails(BUSY), says("Ba ngày.")])
    events = await stage.ask()
    assert text_of(events) == "Ba ngày."
    assert stage.slept == [0.5, 1.0, 2.0]
    assert Restarted() not in events


async def test_the_wait_that_a_provider_asks_for_is_kept_when_it_fits() -> None:
    stage = Stage([fails(ModelUnavailable("429", retry_after=1.0)), says("Ba ngày.")], [says("Hai.")])
    assert text_of(await stage.ask()) == "Ba ngày."
    assert stage.slept == pytest.approx([1.1])
    assert stage.asked == [2, 0, 0]


@pytest.mark.parametrize("seconds", [7.9, 120.0, 1e6, math.inf, math.nan])
async def test_a_wait_that_does_not_fit_is_not_begun(seconds: float) -> None:
    stage = Stage([fails(ModelUnavailable("429", retry_after=seconds))], [says("Hai ngày.")])
    assert text_of(await stage.ask()) == "Hai ngày."
    assert (stage.asked, stage.slept) == ([1, 1, 0], [])


async def test_time_that_attempts_took_counts() -> None:
    stage = Stage([fails(ModelUnavailable("429", retry_after=3.0), takes=6.0)], [says("Hai ngày.")])
    assert text_of(await stage.ask()) == "Hai ngày."
    assert stage.slept == []


@pytest.mark.parametrize("error", [WRONG, KeyRefused("no such key", for_good=True)])
async def test_what_trying_again_does_not_mend_is_left_at_once(error: ModelUnavailable) -> None:
    stage = Stage([fails(error)], [fails(error)], [says("Một ngày.")])
    assert text_of(await stage.ask()) == "Một ngày."
    assert (stage.asked, stage.slept) == ([1, 1, 1, 0], [])


async def test_a_model_with_another_one_behind_it_is_asked_three_times_at_most() -> None:
    stage = Stage([fails(BUSY)], [says("Hai ngày.")])
    await stage.ask()
    assert stage.asked == [3, 1, 0]


async def test_when_nobody_answers_the_last_one_does_and_is_named() -> None:
    stage = Stage([fails(BUSY)], [fails(BUSY)])
    events = await stage.ask()
    assert text_of(events) == "Chính sách: ba ngày."
    assert isinstance(events[-1], Finished)
    assert events[-1].model == "offline"
    assert sum(stage.slept) <= 8.0


async def test_without_a_last_one_the_last_failure_is_raised() -> None:
    stage = Stage([fails(BUSY)], [fails(WRONG)], last=None)
    with pytest.raises(ModelUnavailable, match="no such model"):
        await stage.ask()


async def test_a_refusal_is_told_and_nobody_else_is_asked() -> None:
    stage = Stage([fails(BUSY), fails(ModelRefused("no"))], [says("Hai.")])
    with pytest.raises(ModelRefused):
        await stage.ask()
    assert stage.asked == [2, 0, 0]


async def test_a_rejected_request_goes_to_the_last_one_at_once() -> None:
    stage = Stage([fails(ModelRejected("max_tokens is wrong"))], [says("Hai.")])
    assert text_of(await stage.ask()) == "Chính sách: ba ngày."
    assert stage.asked == [1, 0, 1]


async def test_a_rejected_picture_is_told_so_that_it_can_be_left_out() -> None:
    stage = Stage([fails(ModelRejected("image is damaged"))])
    with pytest.raises(ModelRejected):
        await stage.ask(WITH_PICTURE)
    assert stage.asked == [1, 0]


async def test_a_rejected_picture_is_not_told_once_there_is_text() -> None:
    stage = Stage([says("Áo", end=BUSY), fails(ModelRejected("image is damaged"))])
    assert text_of(await stage.ask(WITH_PICTURE)).endswith("Chính sách: ba ngày.")


async def test_a_text_that_breaks_off_is_void_and_asked_for_once_more() -> None:
    stage = Stage([says("Ba ", end=BUSY), says("Ba ngày ạ.")])
    events = await stage.ask()
    again = events.index(Restarted())
    assert text_of(events[:again]) == "Ba "
    assert text_of(events[again:]) == "Ba ngày ạ."
    assert stage.slept == [0.5]


async def test_a_second_text_that_breaks_off_is_the_next_models_turn_and_a_third_one_the_last() -> None:
    stage = Stage([says("Ba ", end=BUSY)], [says("Hai ", end=BUSY)])
    events = await stage.ask()
    assert stage.asked == [2, 1, 1]
    assert events.count(Restarted()) == 3
    assert text_of(events[-3:]) == "Chính sách: ba ngày."


async def test_who_has_read_a_beginning_is_given_the_time_again() -> None:
    """It breaks off long after the first seconds, and is asked again all the same."""
    stage = Stage([says("Ba ", end=BUSY, takes=60.0), fails(BUSY), says("Ba ngày.")])
    assert text_of(await stage.ask()).endswith("Ba ngày.")
    assert stage.slept == [0.5, 1.0]


async def test_what_was_billed_of_a_failed_attempt_stays_with_its_payer() -> None:
    stage = Stage([says(end=BUSY, by="one"), says("Ba.", by="one")])
    events = await stage.ask()
    assert events[:2] == [Billed(Usage(5, 1), Payer("one", "key 1")), Restarted()]


async def test_results_of_tools_are_sent_again_as_they_are() -> None:
    request = replace(ASKED, rounds=(ToolRound("Để em xem.", (ToolCall("1", "orders", {}),), ()),))
    stage = Stage([fails(BUSY), says("Ba ", end=BUSY), says("Ba ngày.")], [says("Hai.")])
    await stage.ask(request)
    assert stage.rungs[0].requests == [request] * 3


async def test_results_of_tools_go_to_the_model_that_asked_for_them() -> None:
    called = Attempt((ToolCall("1", "orders", {}),), Finished(Usage(), "b", "tools"))
    stage = Stage([fails(WRONG)], [called, says("Hai ngày.")])
    await stage.ask()
    request = replace(ASKED, rounds=(ToolRound("", (ToolCall("1", "orders", {}),), ()),))
    assert text_of(await stage.ask(request)) == "Hai ngày."
    await stage.ask()
    assert stage.asked == [2, 3, 0]


@pytest.mark.parametrize(
    "empty",
    [
        says(),
        says(" \n", "\u200b"),
        Attempt(),
        Attempt((), Finished(Usage(), "a", "tools")),
        Attempt((TextDelta("x"), ToolCall("1", "orders", {})), None),
    ],
)
async def test_an_end_that_is_no_answer_is_a_failure(empty: Attempt) -> None:
    stage = Stage([empty, says("Ba ngày.")])
    assert text_of(await stage.ask()).endswith("Ba ngày.")


async def test_an_answer_that_was_all_thought_is_not_asked_for_again() -> None:
    stage = Stage([Attempt((), Finished(Usage(), "a", "max_tokens"))], [says("Hai ngày.")])
    assert text_of(await stage.ask()) == "Hai ngày."
    assert stage.asked == [1, 1, 0]


async def test_calls_of_tools_that_may_not_be_called_any_more_are_no_answer() -> None:
    called = Attempt((ToolCall("1", "orders", {}),), Finished(Usage(), "a", "tools"))
    stage = Stage([called])
    assert text_of(await stage.ask(replace(ASKED, may_call=False))) == "Chính sách: ba ngày."
    assert stage.asked[0] > 1


async def test_words_said_before_the_calls_are_words_of_the_answer() -> None:
    request = replace(ASKED, rounds=(ToolRound("Dạ, đơn đang giao.", (ToolCall("1", "orders", {}),), ()),))
    stage = Stage([says()])
    assert isinstance((await stage.ask(request))[-1], Finished)
    assert stage.asked == [1, 0]


async def test_no_model_is_listened_to_beyond_the_time_of_a_turn() -> None:
    class Endless(Player):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
            while True:
                self.time.now += 1.0
                yield TextDelta("a")

    stage = Stage([], turn=30.0)
    stage.rungs = [Endless((), "anthropic:endless", stage.time)]
    stage.ladder = Ladder(stage.rungs, last=stage.last, turn=30.0, clock=stage.time.clock, sleep=stage.time.sleep)
    events = await stage.ask()
    assert text_of(events) == "a" * 30 + "Chính sách: ba ngày."
    assert events[30] == Restarted()


async def test_a_model_that_hangs_is_left_when_the_turn_is_over() -> None:
    class Hanging(Player):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
            self.requests.append(request)
            try:
                await asyncio.Event().wait()
                yield TextDelta("")
            finally:
                self.closed += 1

    hanging, last = Hanging(()), Player([LAST], "offline")
    ladder = Ladder([hanging], last=last, turn=0.02)
    assert text_of([event async for event in ladder.stream(ASKED)]) == "Chính sách: ba ngày."
    assert hanging.closed == 1


async def test_a_reader_that_is_cancelled_stays_cancelled() -> None:
    class Hanging(Player):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
            begun.set()
            await asyncio.Event().wait()
            yield TextDelta("")

    begun = asyncio.Event()
    ladder = Ladder([Hanging(())], last=Player([LAST]))

    async def read() -> None:
        async for _ in ladder.stream(ASKED):
            pass

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_the_stream_closes_the_one_below() -> None:
    stage = Stage([says("Ba ", "ngày.")])
    async with aclosing(stage.ladder.stream(ASKED)) as events:
        async for _ in events:
            break
    assert stage.rungs[0].closed == 1


async def test_closing_it_closes_every_model() -> None:
    stage = Stage([LAST], [LAST])
    await stage.ladder.close()
    assert stage.last is not None
    assert all(one.is_closed for one in (*stage.rungs, stage.last))


async def test_without_any_model_the_last_one_answers() -> None:
    assert text_of(await Stage().ask()) == "Chính sách: ba ngày."
    with pytest.raises(ModelError):
        await Stage(last=None).ask()


async def test_a_failure_of_the_last_one_is_raised() -> None:
    with pytest.raises(ModelUnavailable, match="529"):
        await Stage([fails(WRONG)], last=[fails(BUSY)]).ask()


async def test_the_log_tells_who_failed_and_repeats_no_word_of_the_customer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="bot")
    quoting = ModelUnavailable("The model answers 500: 'Bao lâu thì có hàng?' is strange", again=False)
    await Stage([fails(quoting)], [fails(WRONG)]).ask()
    assert "anthropic:0" in caplog.text
    assert "There is no such model: offline is asked" in caplog.text
    assert "có hàng" not in caplog.text

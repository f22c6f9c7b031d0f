"""What holds of a ladder whatever its models do: tried with models that do anything."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import KeyRefused, ModelError, ModelRefused, ModelRejected, ModelUnavailable
from bot.llm.base import Billed, Cited, Finished, ModelEvent, ModelRequest, Restarted, TextDelta, ToolCall, Usage
from bot.llm.climb import BREAKS
from bot.llm.ladder import Ladder
from bot.text import is_blank
from tests.bot.llm.scripted import ASKED, Attempt, Player, Time, says

FIRST_TEXT, TURN = 8.0, 180.0
EVENTS: st.SearchStrategy[ModelEvent] = st.one_of(
    st.builds(TextDelta, st.sampled_from(["Dạ", " ", "ba ngày", "\u200b"])),
    st.just(Billed(Usage(1, 1))),
    st.just(Cited("vi/giao-hang#phi")),
    st.just(ToolCall("1", "orders", {})),
)
WAITS = st.one_of(st.none(), st.floats(0, 20), st.sampled_from([120.0, 1e6, float("inf"), float("nan")]))
ERRORS: st.SearchStrategy[ModelError] = st.one_of(
    st.builds(lambda wait, again: ModelUnavailable("x", retry_after=wait, again=again), WAITS, st.booleans()),
    st.builds(lambda wait, good: KeyRefused("x", retry_after=wait, for_good=good), WAITS, st.booleans()),
    st.builds(lambda: ModelRefused("x")),
    st.builds(lambda: ModelRejected("x")),
)
ENDS = st.one_of(
    ERRORS,
    st.none(),
    st.builds(lambda stop: Finished(Usage(), "m", stop), st.sampled_from(["end", "max_tokens", "tools"])),
)
ATTEMPTS = st.builds(
    Attempt, st.lists(EVENTS, max_size=4).map(tuple), ENDS, st.sampled_from([0.0, 0.0, 1.0, 7.0, 70.0])
)
RUNGS = st.lists(st.lists(ATTEMPTS, min_size=1, max_size=6), max_size=3)


@dataclass(slots=True)
class Played:
    time: Time
    rungs: Sequence[Player]
    last: Player
    events: list[ModelEvent]
    error: ModelError | None
    attempts: list[tuple[float, list[ModelEvent]]]
    """When each attempt was over, and what it had yielded."""


def play(rungs: Sequence[Sequence[Attempt]], chance: float) -> Played:
    time = Time()
    attempts: list[tuple[float, list[ModelEvent]]] = []

    class Noted(Player):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
            said: list[ModelEvent] = []
            try:
                async with aclosing(Player.stream(self, request)) as steps:
                    async for event in steps:
                        said.append(event)
                        yield event
            finally:
                attempts.append((time.now, said))

    players = [Noted(one, f"anthropic:{number}", time) for number, one in enumerate(rungs)]
    last = Noted([says("Chính sách.")], "offline", time)
    ladder = Ladder(
        players,
        last=last,
        first_text=FIRST_TEXT,
        turn=TURN,
        clock=time.clock,
        sleep=time.sleep,
        chance=lambda: chance,
    )
    events: list[ModelEvent] = []

    async def read() -> ModelError | None:
        try:
            async for event in ladder.stream(ASKED):
                events.append(event)
        except ModelError as exc:
            return exc
        return None

    return Played(time, players, last, events, asyncio.run(read()), attempts)


def has_words(events: Sequence[ModelEvent]) -> bool:
    return any(isinstance(event, TextDelta) and not is_blank(event.text) for event in events)


@given(RUNGS, st.floats(0, 1))
@settings(deadline=None)
def test_every_stream_ends_with_an_end_or_is_refused(rungs: Sequence[Sequence[Attempt]], chance: float) -> None:
    played = play(rungs, chance)
    ends = [event for event in played.events if isinstance(event, Finished)]
    if played.error is None:
        assert ends == played.events[-1:]
        assert ends
    else:
        # Everything else was mended: a refusal is the model's last word.
        assert isinstance(played.error, ModelRefused)
        assert not ends


@given(RUNGS, st.floats(0, 1))
@settings(deadline=None)
def test_nobody_waits_beyond_the_time_for_the_first_text(rungs: Sequence[Sequence[Attempt]], chance: float) -> None:
    played = play(rungs, chance)
    for moment, seconds in played.time.sleeps:
        breaks = [over for over, said in played.attempts if over <= moment and has_words(said)]
        begun = max(breaks, default=1000.0)
        assert seconds > 0
        assert moment + seconds <= begun + FIRST_TEXT
        assert moment + seconds <= 1000.0 + TURN


@given(RUNGS, st.floats(0, 1))
@settings(deadline=None)
def test_a_restart_is_told_if_and_only_if_something_was_said_before_and_the_end_counts_the_failures(
    rungs: Sequence[Sequence[Attempt]], chance: float
) -> None:
    played = play(rungs, chance)
    expected: list[ModelEvent] = []
    is_dirty = False
    for number, (_, said) in enumerate(played.attempts):
        if is_dirty:
            expected.append(Restarted())
            is_dirty = False
        is_the_answer = number == len(played.attempts) - 1
        # An end that is none is not handed on.
        kept = said if is_the_answer else [event for event in said if not isinstance(event, Finished)]
        expected += [replace(event, failures=number) if isinstance(event, Finished) else event for event in kept]
        is_dirty = bool(kept)
    assert played.events == expected


@given(RUNGS, st.floats(0, 1))
@settings(deadline=None)
def test_no_more_texts_vanish_than_somebody_bears(rungs: Sequence[Sequence[Attempt]], chance: float) -> None:
    played = play(rungs, chance)
    assert sum(has_words(said) for _, said in played.attempts[:-1]) <= BREAKS


@given(RUNGS, st.floats(0, 1))
@settings(deadline=None)
def test_models_are_asked_in_their_order_and_every_stream_is_closed(
    rungs: Sequence[Sequence[Attempt]], chance: float
) -> None:
    played = play(rungs, chance)
    asked = [len(player.requests) for player in played.rungs]
    reached = [bool(count) for count in asked]
    # Nobody is passed over but by a turn that is given up, or a text that has broken off for the last time.
    assert reached == sorted(reached, reverse=True)
    assert all(player.closed == len(player.requests) for player in (*played.rungs, played.last))
    assert len(played.last.requests) <= 1

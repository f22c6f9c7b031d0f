"""What the program counts about itself, as Prometheus reads it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.errors import KeyRefused, ModelRefused, ModelUnavailable
from bot.figures import watch_loop
from bot.llm.base import Billed, Finished, ModelEvent, ModelRequest, Payer, Restarted, TextDelta, Usage
from bot.llm.breaker import Breaker, LeftAlone
from bot.llm.gate import Gate
from bot.llm.keys import Key, KeyPool
from bot.llm.ladder import Ladder
from bot.llm.metered import MeteredModel
from bot.metrics import Family, Metrics, kind_of
from bot.model_figures import follow_models
from tests.bot.llm.scripted import ASKED, Attempt, Player, Time, fails, says, text_of

Figures = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def read(metrics: Metrics) -> Figures:
    """Every sample, by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, /, **labels: str) -> float:
    return read(metrics)[f"shopdesk_{name}", frozenset(labels.items())]


async def listen(model: MeteredModel) -> list[object]:
    return [event async for event in model.stream(ASKED)]


async def test_an_answer_is_handed_on_as_it_is_and_counted_for_whoever_gave_it() -> None:
    metrics, time = Metrics(), Time()
    player = Player([says("", "Dạ ", "ba ngày.", takes=0.4, by="backup:two")], time=time)
    events = await listen(MeteredModel(player, metrics, clock=time.clock))
    assert events == player.handed_on[0]
    assert value(metrics, "model_answers_total", model="backup:two") == 1
    assert value(metrics, "model_first_event_seconds_sum", model="anthropic:one") == pytest.approx(0.4)
    assert value(metrics, "model_first_text_seconds_count", model="anthropic:one") == 1
    assert value(metrics, "model_streams") == 0


async def test_the_speed_of_an_answer_counts_from_its_first_word_that_was_not_replaced() -> None:
    metrics, time = Metrics(), Time()

    class Slow(Player):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
            yield TextDelta("Nửa câu")
            self.time.now += 100
            yield Restarted()
            yield TextDelta("Dạ ")
            self.time.now += 2
            yield Finished(Usage(5, 60), "one", payer=Payer("anthropic:one"))

    await listen(MeteredModel(Slow([], time=time), metrics, clock=time.clock))
    assert value(metrics, "model_tokens_per_second_sum", model="anthropic:one") == 30
    assert value(metrics, "model_restarts_total") == 1
    assert value(metrics, "model_first_text_seconds_count", model="anthropic:one") == 1


async def test_a_stream_that_is_left_in_the_middle_is_closed_and_counted_no_more() -> None:
    metrics, player = Metrics(), Player([says("một", "hai", "ba")])
    stream = MeteredModel(player, metrics).stream(ASKED)
    async for event in stream:
        if isinstance(event, TextDelta):
            assert value(metrics, "model_streams") == 1
            break
    await stream.aclose()
    assert player.closed == 1
    assert value(metrics, "model_streams") == 0


async def test_the_ladder_counts_what_each_model_failed_with_and_who_was_asked_again() -> None:
    metrics, time = Metrics(), Time()
    first = Player([fails(ModelUnavailable("busy")), fails(KeyRefused("no", for_good=True))], "anthropic:one", time)
    second = Player([says("Dạ.", by="backup:two")], "backup:two", time)
    ladder = Ladder([first, second], metrics=metrics, clock=time.clock, sleep=time.sleep, chance=lambda: 0.5)
    assert text_of([event async for event in ladder.stream(ASKED)]) == "Dạ."
    assert value(metrics, "model_failures_total", model="anthropic:one", kind="unavailable") == 1
    assert value(metrics, "model_failures_total", model="anthropic:one", kind="key_refused") == 1
    assert value(metrics, "model_retries_total", model="anthropic:one") == 1


def test_errors_are_called_by_what_the_caller_does_next() -> None:
    errors = (ModelUnavailable(""), ModelRefused(""), KeyRefused(""), LeftAlone(""))
    assert [kind_of(error) for error in errors] == ["unavailable", "refused", "key_refused", "left_alone"]


async def test_breakers_keys_and_gates_are_read_at_the_moment_somebody_asks() -> None:
    class Models:
        def __init__(self) -> None:
            self.pool = KeyPool(
                [(Key("anthropic key 1"), Player([fails(KeyRefused("no", for_good=True))])),
                 (Key("anthropic key 2"), Player([says("Dạ.")]))],
                notify=lambda notice: None,
            )  # fmt: skip
            self.pools = {"anthropic:one": self.pool}
            self.breakers = {"anthropic:one": Breaker(self.pool)}
            self.gates = {"anthropic": Gate(1)}

    metrics, models = Metrics(), Models()
    follow_models(metrics, models)
    first = {"model": "anthropic:one", "key": "anthropic key 1"}
    assert value(metrics, "key", **first, state="ready") == 1
    assert [event async for event in models.pool.stream(ASKED)]
    assert value(metrics, "key", **first, state="ready") == 0
    assert value(metrics, "key", **first, state="refused") == 1
    assert value(metrics, "breaker", model="anthropic:one", state="closed") == 1
    async with models.gates["anthropic"].passed():
        waiting = asyncio.create_task(pass_through(models.gates["anthropic"]))
        await asyncio.sleep(0)
        assert value(metrics, "provider_streams", provider="anthropic") == 1
        assert value(metrics, "provider_waiting", provider="anthropic") == 1
    await waiting


async def pass_through(gate: Gate) -> None:
    async with gate.passed():
        pass


async def test_a_loop_that_is_late_is_noticed() -> None:
    metrics, time = Metrics(), Time()
    naps = iter((0.5, 0.8))

    async def sleep(seconds: float) -> None:
        try:
            time.now += next(naps)
        except StopIteration:
            raise asyncio.CancelledError from None

    with pytest.raises(asyncio.CancelledError):
        await watch_loop(metrics, clock=time.clock, sleep=sleep)
    assert value(metrics, "loop_lag_seconds_count") == 2
    assert value(metrics, "loop_lag_seconds_sum") == pytest.approx(0.3)


def test_a_label_cannot_break_the_page_of_figures() -> None:
    metrics = Metrics()
    metrics.failed('a"b\nc\\', ModelUnavailable(""))
    metrics.follow(Family("shopdesk_x", "x", ("name",)), lambda: [(('"\n} 1',), 2.0)])
    assert value(metrics, "x", name='"\n} 1') == 2
    assert value(metrics, "model_failures_total", model='a"b\nc\\', kind="unavailable") == 1


def test_two_programs_in_one_process_have_figures_of_their_own() -> None:
    one, other = Metrics(), Metrics()
    one.restarted()
    assert (value(one, "model_restarts_total"), value(other, "model_restarts_total")) == (1, 0)


def test_what_a_turn_has_cost_is_in_dollars() -> None:
    metrics = Metrics()
    metrics.spent("anthropic:one", [("input", 1000), ("output", 20)], 1_500_000)
    assert value(metrics, "cost_dollars_total", model="anthropic:one") == pytest.approx(0.0015)
    assert value(metrics, "tokens_total", model="anthropic:one", kind="input") == 1000


async def test_a_bill_is_no_first_word() -> None:
    metrics = Metrics()
    await listen(MeteredModel(Player([Attempt([Billed(Usage(5))], Finished(Usage(), "one"))]), metrics))
    assert value(metrics, "model_first_event_seconds_count", model="anthropic:one") == 1
    assert ("shopdesk_model_first_text_seconds_count", frozenset({("model", "anthropic:one")})) not in read(metrics)

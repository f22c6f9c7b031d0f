"""Costs are filled in wherever a model tells what it used, and guessed where it cannot."""

from collections.abc import Sequence
from contextlib import aclosing

import pytest

from bot.errors import ModelUnavailable
from bot.llm.base import Billed, Cited, Finished, ModelEvent, ModelRequest, Payer, TextDelta, Usage
from bot.llm.offline import OfflineModel
from bot.llm.priced import Priced, broken_off
from bot.llm.prices import Prices
from tests.fake_model import ScriptedModel, Step

HAIKU = "anthropic:claude-haiku-5-5"
SECOND = Payer(HAIKU, "key-2")


def scripted(*steps: Step, billed: Usage | None = None) -> Priced:
    return Priced(ScriptedModel(lambda request: steps, name=HAIKU, billed=billed), Prices())


async def events_of(model: Priced, request: ModelRequest) -> list[ModelEvent]:
    async with aclosing(model.stream(request)) as events:
        return [event async for event in events]


def bills(events: Sequence[ModelEvent]) -> list[Billed | Finished]:
    return [event for event in events if isinstance(event, Billed | Finished)]


async def test_what_is_told_at_the_start_and_at_the_end_has_its_cost(question: ModelRequest) -> None:
    model = scripted("Dạ ", Cited("x"), "vâng.", billed=Usage(1000, 1))
    first, *middle, last = await events_of(model, question)
    assert first == Billed(Usage(1000, 1, cost=100_500), Payer(HAIKU))
    assert middle == [TextDelta("Dạ "), Cited("x"), TextDelta("vâng.")]
    assert last == Finished(Usage(10, 20, 30, 40, cost=16_300), HAIKU, payer=Payer(HAIKU))
    assert model.name == HAIKU


async def test_who_is_billed_decides_the_price(question: ModelRequest) -> None:
    sonnet = Payer("anthropic:claude-sonnet-5-5", "key-2")
    events = await events_of(scripted(Billed(Usage(1000), sonnet), "Dạ"), question)
    assert bills(events)[0] == Billed(Usage(1000, cost=2_000_000), sonnet)


def guessed(told: Billed | None, said: str, request: ModelRequest) -> Billed | None:
    return broken_off(request, told, said, model=HAIKU, prices=Prices())


def test_what_was_said_before_a_break_is_guessed_and_marked(question: ModelRequest) -> None:
    guess = guessed(Billed(Usage(1000, 1, 5, 6, cost=7), SECOND), "x" * 300, question)
    assert guess == Billed(Usage(1000, 104, 5, 6, cost=100_000 + 52_000 + 50 + 750, estimated_tokens=103), SECOND)


def test_what_was_counted_is_not_guessed(question: ModelRequest) -> None:
    assert guessed(Billed(Usage(1000, 200), SECOND), "x" * 300, question) is None
    assert guessed(Billed(Usage(1000, 1), SECOND), "", question) is None
    assert guessed(None, "", question) is None


def test_where_nothing_was_told_all_is_guessed_and_the_models_own_name_is_billed(question: ModelRequest) -> None:
    guess = guessed(None, "Dạ vâng.", question)
    assert guess is not None
    assert 30 < guess.usage.input_tokens < 120
    assert guess.usage.estimated_tokens == guess.usage.tokens
    assert guess.usage.cost == 100 * guess.usage.input_tokens + 500 * guess.usage.output_tokens
    assert guess.payer == Payer(HAIKU)


async def test_offline_costs_nothing_and_nothing_is_guessed(question: ModelRequest) -> None:
    offline = OfflineModel(sentence=lambda key, language: "x" * 1000, seconds=0)
    told = bills(await events_of(Priced(offline, Prices()), question))
    assert {one.usage for one in told} == {Usage()}
    assert {one.payer for one in told} == {Payer("offline")}
    assert isinstance(told[0], Billed)
    assert guessed(told[0], "x" * 1000, question) is None


async def test_a_failure_comes_through_as_it_is(question: ModelRequest) -> None:
    with pytest.raises(ModelUnavailable, match="down"):
        await events_of(scripted("Dạ", ModelUnavailable("down")), question)


async def test_closing_closes_what_is_inside(question: ModelRequest) -> None:
    inner = ScriptedModel(lambda request: ["x"] * 9)
    async with aclosing(Priced(inner, Prices()).stream(question)) as events:
        async for _ in events:
            break
    assert inner.broken_off == 1

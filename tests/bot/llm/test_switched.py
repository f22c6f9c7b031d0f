"""What is switched off asks nobody, from the next word on."""

from contextlib import aclosing

from bot.llm.base import Finished, ModelEvent, ModelRequest, Restarted, TextDelta
from bot.llm.switched import Switched
from tests.fake_model import ScriptedModel


class Switch:
    def __init__(self) -> None:
        self.on = True

    def __call__(self) -> bool:
        return self.on


def both(*words: str) -> tuple[ScriptedModel, Switch, Switched]:
    model, switch = ScriptedModel(lambda request: words, name="a:b"), Switch()
    return model, switch, Switched(model, ScriptedModel(lambda request: ("instead",), name="offline"), switch)


def said(events: list[ModelEvent]) -> list[str | type]:
    return [event.text if isinstance(event, TextDelta) else type(event) for event in events]


async def test_while_it_is_on_the_model_answers(question: ModelRequest) -> None:
    _, _, switched = both("Dạ ", "vâng.")
    assert switched.name == "a:b"
    assert said([event async for event in switched.stream(question)]) == ["Dạ ", "vâng.", Finished]


async def test_while_it_is_off_the_model_is_not_asked_and_the_other_is_named(question: ModelRequest) -> None:
    model, switch, switched = both("Dạ ", "vâng.")
    switch.on = False
    assert switched.name == "offline"
    assert said([event async for event in switched.stream(question)]) == ["instead", Finished]
    assert model.requests == []


async def test_an_answer_that_is_being_written_is_broken_off_and_replaced(question: ModelRequest) -> None:
    model, switch, switched = both("Dạ ", "vâng ", "ạ.")
    events: list[ModelEvent] = []
    async for event in switched.stream(question):
        events.append(event)
        switch.on = False
    assert said(events) == ["Dạ ", Restarted, "instead", Finished]
    assert model.broken_off == 1


async def test_an_answer_that_has_just_ended_stays(question: ModelRequest) -> None:
    _, switch, switched = both("Dạ.")
    events: list[ModelEvent] = []
    async for event in switched.stream(question):
        events.append(event)
        switch.on = not isinstance(event, Finished)
    assert said(events) == ["Dạ.", Finished]


async def test_closing_it_closes_the_stream(question: ModelRequest) -> None:
    model, _, switched = both("Dạ ", "vâng.")
    async with aclosing(switched.stream(question)) as events:
        async for _ in events:
            break
    assert model.broken_off == 1

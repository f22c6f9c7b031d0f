"""Streams at the same time: no more than the limit, and conversations in turn."""

import asyncio
from contextlib import AsyncExitStack, aclosing, suppress

from bot.llm.base import ModelMessage, ModelRequest, TextDelta
from bot.llm.gate import Gate, GatedModel
from tests.fake_model import ScriptedModel


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_conversations_have_their_turns_whatever_one_of_them_wants() -> None:
    gate, order = Gate(1), list[str]()

    async def one(conversation: str) -> None:
        async with gate.passed(conversation):
            order.append(conversation)
            await asyncio.sleep(0)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(gate.passed("other"))
        tasks = [asyncio.create_task(one(name)) for name in ["a"] * 5 + ["b"] * 2 + ["c"]]
        await settle()
        assert gate.waiting == 8
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c", "a", "b", "a", "a", "a"]
    assert (gate.running, gate.waiting) == (0, 0)


async def test_who_gives_up_leaves_no_place_behind() -> None:
    gate = Gate(1)

    async def wait() -> None:
        async with gate.passed("x"):
            await asyncio.Event().wait()

    async with gate.passed("other"):
        waiting = [asyncio.create_task(wait()) for _ in range(3)]
        await settle()
        waiting[0].cancel()
        await settle()
        assert gate.waiting == 2
    waiting[1].cancel()  # at the moment in which it is let in
    await settle()
    assert (gate.running, gate.waiting) == (1, 0)
    waiting[2].cancel()
    for task in waiting:
        with suppress(asyncio.CancelledError):
            await task
    assert (gate.running, gate.waiting) == (0, 0)


async def test_a_stream_keeps_its_place_until_it_is_closed() -> None:
    model = GatedModel(ScriptedModel(lambda request: ("a", "b")), gate := Gate(1))
    request = ModelRequest(system="", messages=(ModelMessage("user", "Hi"),), conversation="7")
    assert model.name == "scripted"
    async with aclosing(model.stream(request)) as events:
        assert await anext(events) == TextDelta("a")
        assert gate.running == 1
    assert gate.running == 0
    await model.close()

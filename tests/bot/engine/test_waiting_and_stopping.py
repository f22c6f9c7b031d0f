"""Who waits is told so, and who has read enough says stop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bot.chat import Address, OutboundMessage
from bot.engine.limits import EngineLimits
from bot.errors import ModelUnavailable, RateLimited, RecipientGone
from bot.llm.base import ModelRequest
from bot.storage.outbox import Outbox, reply_key
from tests.bot.engine.desk import Desk, opened, shown
from tests.words import LAN, NOON, eventually, message

SHORT = EngineLimits(patience=0.05)
OTHER = Address("shop", "minh")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path) as desk:
        yield desk


def sentence(desk: Desk, key: str, language: str = "vi") -> str:
    return desk.policies.sentence(key, language)


async def test_who_waits_long_reads_one_sentence_that_the_answer_replaces(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with opened(tmp_path, SHORT) as desk:
        desk.model.script = lambda request: (gate, "Dạ còn ạ.")
        await desk.write("áo còn không")
        await shown(desk, sentence(desk, "wait"))
        gate.set()
        await desk.answered()
        assert desk.platform.chat("lan") == ["Dạ còn ạ."]
        assert await desk.rows("SELECT text FROM turns WHERE role = 'assistant'") == [("Dạ còn ạ.",)]


async def test_who_waits_for_others_to_be_answered_reads_that(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with opened(tmp_path, EngineLimits(patience=0.05, streams=1)) as desk:
        desk.model.script = lambda request: ("Dạ", gate, " còn ạ.")
        await desk.write("áo còn không")
        await shown(desk, "Dạ")
        await desk.write("quần còn không", at=OTHER)
        await eventually(lambda: desk.platform.chat("minh") == [sentence(desk, "overloaded")])
        assert len(desk.model.requests) == 1
        gate.set()
        await desk.answered()
        assert desk.platform.chat("lan") == desk.platform.chat("minh") == ["Dạ còn ạ."]


async def test_who_sees_text_already_is_told_nothing(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with opened(tmp_path, EngineLimits(patience=0.3)) as desk:
        desk.model.script = lambda request: ("Dạ", gate, " còn ạ.")
        await desk.write("áo còn không")
        await shown(desk, "Dạ")
        asyncio.get_running_loop().call_later(0.35, gate.set)
        await desk.answered()
        assert desk.platform.chat("lan") == ["Dạ còn ạ."]
        assert sentence(desk, "wait") not in [call.text for call in desk.platform.calls]


async def test_a_quick_answer_comes_without_the_sentence(tmp_path: Path) -> None:
    async with opened(tmp_path, SHORT) as desk:
        await desk.ask("áo còn không")
        gate = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, gate.set)
        await gate.wait()
        assert desk.platform.chat("lan") == ["Dạ vâng."]
        assert sentence(desk, "wait") not in [call.text for call in desk.platform.calls]


async def test_the_sentence_is_replaced_by_what_is_said_of_a_failure(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with opened(tmp_path, SHORT) as desk:
        desk.model.script = lambda request: (gate, ModelUnavailable("overloaded"))
        await desk.write("áo còn không")
        await shown(desk, sentence(desk, "wait"))
        gate.set()
        await desk.answered()
        assert desk.platform.chat("lan") == [sentence(desk, "model_down")]


async def test_a_stop_replaces_the_sentence(tmp_path: Path) -> None:
    async with opened(tmp_path, SHORT) as desk:
        desk.model.script = lambda request: (asyncio.Event(),)
        await desk.write("is this shirt in stock", language="en")
        await shown(desk, sentence(desk, "wait", "en"))
        await desk.write("", command="stop")
        await desk.answered()
        assert desk.platform.chat("lan") == [sentence(desk, "stopped", "en")]
        assert desk.model.broken_off == 1


async def test_a_stop_does_not_wait_for_a_free_stream(tmp_path: Path) -> None:
    async with opened(tmp_path, EngineLimits(streams=1)) as desk:
        gate = asyncio.Event()
        desk.model.script = lambda request: ("Dạ", gate)
        await desk.write("áo còn không")
        await shown(desk, "Dạ")
        await desk.write("quần còn không", at=OTHER)
        await eventually(lambda: any(call.op == "typing" for call in desk.platform.of("minh")))
        await desk.write("", at=OTHER, command="stop")
        await eventually(lambda: desk.platform.chat("minh") == [sentence(desk, "stopped")])
        gate.set()
        await desk.answered()
        assert len(desk.model.requests) == 1
        assert await desk.ask("còn không") == "Dạ"


async def test_a_question_and_a_stop_at_once_leave_only_the_sentence(desk: Desk) -> None:
    desk.model.script = lambda request: (asyncio.Event(), "nie")
    await asyncio.gather(desk.write("áo còn không"), desk.write("", command="stop"))
    await desk.answered()
    assert desk.platform.chat("lan") == [sentence(desk, "stopped")]
    assert desk.model.broken_off == len(desk.model.requests)
    desk.model.script = lambda request: ("Dạ.",)
    await desk.write("câu khác")
    await desk.answered()
    assert desk.platform.chat("lan") == [sentence(desk, "stopped"), "Dạ."]


async def test_what_is_written_after_a_stop_is_answered(desk: Desk) -> None:
    await asyncio.gather(desk.write("áo còn không"), desk.write("", command="stop"), desk.write("quần còn không"))
    await desk.answered()
    assert desk.platform.chat("lan")[-1] == "Dạ vâng."
    assert "quần còn không" in desk.model.requests[-1].messages[-1].text


async def test_two_stops_are_one(desk: Desk) -> None:
    desk.model.script = lambda request: ("Dạ, đây là", asyncio.Event())
    await desk.write("hỏi")
    await shown(desk, "Dạ, đây là")
    await asyncio.gather(desk.write("", command="stop"), desk.write("", command="stop"))
    await desk.answered()
    assert desk.platform.chat("lan")[0] == f"Dạ, đây là\n\n{sentence(desk, 'stopped')}"
    assert desk.platform.chat("lan")[1:] in ([], [sentence(desk, "nothing_to_stop")])


async def test_a_stop_that_comes_when_all_is_said_changes_nothing(desk: Desk) -> None:
    desk.platform.faults = lambda call, number: RateLimited(0.3) if call.op != "typing" and number < 1 else None
    await desk.write("hỏi")
    await eventually(lambda: bool(desk.platform.failed()))
    await desk.write("", command="stop")
    await desk.answered()
    assert desk.platform.chat("lan") == ["Dạ vâng."]
    assert await desk.rows("SELECT outcome FROM turns WHERE role = 'assistant'") == [("complete",)]


async def test_a_stop_while_the_chat_must_wait_closes_the_stream_at_once(desk: Desk) -> None:
    texts = 0

    def limited(call: object, number: int) -> Exception | None:
        nonlocal texts
        texts += getattr(call, "op", "") != "typing"
        return RateLimited(0.4) if texts == 2 else None

    desk.platform.faults = limited
    more = asyncio.Event()
    desk.model.script = lambda request: ("Dạ, đây là", more, " một câu", asyncio.Event(), " dài.")
    await desk.write("hỏi")
    await shown(desk, "Dạ, đây là")
    more.set()
    await eventually(lambda: bool(desk.platform.failed()))
    await desk.write("", command="stop")
    await eventually(lambda: desk.model.broken_off == 1)
    assert desk.platform.chat("lan") == ["Dạ, đây là"]
    await desk.answered()
    assert desk.platform.chat("lan") == [f"Dạ, đây là một câu\n\n{sentence(desk, 'stopped')}"]


async def test_that_there_is_nothing_to_stop_is_said_in_the_language_of_the_conversation(desk: Desk) -> None:
    await desk.ask("Is this shirt still in stock?")
    await desk.write("", command="stop")
    await shown(desk, sentence(desk, "nothing_to_stop", "en"))


async def test_an_answer_without_words_is_no_answer(desk: Desk) -> None:
    desk.model.script = lambda request: ("\n ", "")
    assert await desk.ask("hỏi") == sentence(desk, "model_down")
    assert await desk.rows("SELECT outcome FROM turns WHERE role = 'assistant'") == [("failed",)]


async def test_a_mark_stands_behind_what_grows(tmp_path: Path) -> None:
    gate = asyncio.Event()

    def script(request: ModelRequest) -> tuple[str | asyncio.Event, ...]:
        return ("Dạ", gate, " còn ạ.")

    async with opened(tmp_path, growing_mark="▌") as desk:
        desk.model.script = script
        await desk.write("áo còn không")
        await shown(desk, "Dạ▌")
        gate.set()
        await desk.answered()
        assert desk.platform.chat("lan") == ["Dạ còn ạ."]


@pytest.mark.parametrize("parts", [("Dạ, đây là một câu",), ("Dạ, đây là phần đầu.", "Và đây là một câu")])
async def test_what_a_kill_cut_off_and_a_start_afresh_makes_pointless_does_not_stay_half(
    desk: Desk, parts: Sequence[str]
) -> None:
    outbox = Outbox(desk.database)
    received = await desk.messages.receive(message("một", 100), at=NOON)
    for part, text in enumerate(parts):
        key = f"{reply_key(received.inbox_id)}/{part}" if part else reply_key(received.inbox_id)
        await outbox.sending(key, LAN, doubles=True)
        await outbox.sent(key, await desk.platform.send(LAN, OutboundMessage(text, growing=True), key=key))
    await desk.messages.receive(message("hai", 101), at=NOON)
    await desk.write("", command="new")
    await desk.answered()
    stopped, afresh = desk.policies.sentence("stopped", "vi"), desk.policies.sentence("new_conversation", "vi")
    assert desk.platform.chat("lan") == [*parts[:-1], stopped, afresh]
    assert desk.model.requests == []


async def test_who_is_gone_keeps_no_start_afresh_waiting(desk: Desk) -> None:
    outbox = Outbox(desk.database)
    received = await desk.messages.receive(message("một", 100), at=NOON)
    key = reply_key(received.inbox_id)
    await outbox.sending(key, LAN, doubles=True)
    await outbox.sent(key, await desk.platform.send(LAN, OutboundMessage("Dạ, đây", growing=True), key=key))
    desk.platform.faults = lambda call, number: RecipientGone("blocked")
    await desk.write("", command="new")
    await desk.answered()

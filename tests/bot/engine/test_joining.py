"""What is written while an answer is on its way: it joins as long as nothing of the answer is to be seen."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat import Attachment
from bot.engine.limits import EngineLimits
from bot.errors import ModelRejected, ModelUnavailable, RateLimited, RecipientGone
from bot.llm.base import Cited, ModelRequest, Usage
from tests.bot.engine.desk import Desk, opened, shown
from tests.fakes import Call
from tests.words import LAN, eventually, message

Step = str | Cited | Exception | asyncio.Event

ANSWERED_BY = "SELECT count(*), count(DISTINCT answered_by), count(answered_by) FROM inbox"


def asked(desk: Desk) -> list[str]:
    """The question of each request."""
    return [request.messages[-1].text for request in desk.model.requests]


async def requested(desk: Desk, count: int) -> None:
    await eventually(lambda: len(desk.model.requests) >= count)


def silent_until(*joined: str) -> Callable[[ModelRequest], list[Step]]:
    """Says nothing until all of these words are in the question."""

    def script(request: ModelRequest) -> list[Step]:
        question = request.messages[-1].text
        return ["Dạ ", "vâng."] if all(word in question for word in joined) else [asyncio.Event()]

    return script


async def test_what_is_written_before_the_first_words_joins_the_turn(desk: Desk) -> None:
    desk.model.script = silent_until("một", "hai")
    desk.model.billed = Usage(7, 1, 5, 3)
    await desk.write("một?")
    await requested(desk, 1)
    await desk.write("hai?")
    await desk.answered()
    assert asked(desk) == ["một?", "một?\nhai?"]
    assert desk.model.broken_off == 1
    assert desk.platform.chat("lan") == ["Dạ vâng."]
    assert await desk.rows(ANSWERED_BY) == [(2, 1, 2)]
    assert await desk.rows("SELECT role, text, outcome FROM turns ORDER BY id") == [
        ("customer", "một?\nhai?", "complete"),
        ("assistant", "Dạ vâng.", "complete"),
    ]


async def test_what_the_abandoned_request_has_cost_is_stored_too(desk: Desk) -> None:
    desk.model.script = silent_until("một", "hai")
    desk.model.billed = Usage(7, 1, 5, 3)
    await desk.write("một?")
    await requested(desk, 1)
    await desk.write("hai?")
    await desk.answered()
    columns = "input_tokens, output_tokens, cache_read_tokens, cache_write_tokens"
    assert await desk.rows(f"SELECT {columns} FROM turns WHERE role = 'assistant'") == [(17, 21, 35, 43)]
    moments = (await desk.rows("SELECT request_ms, first_delta_ms, first_visible_ms, finished_ms FROM turns"))[-1]
    assert list(moments) == sorted(moment for moment in moments if isinstance(moment, int))


async def test_what_is_written_after_the_first_words_is_the_next_turn(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.model.script = lambda request: ("Dạ, đây", gate, " ạ.")
    await desk.write("một?")
    await shown(desk, "Dạ, đây")
    await desk.write("hai?")
    gate.set()
    await desk.answered()
    assert asked(desk) == ["một?", "hai?"]
    assert desk.model.broken_off == 0
    assert desk.platform.chat("lan") == ["Dạ, đây ạ.", "Dạ, đây ạ."]
    assert await desk.rows(ANSWERED_BY) == [(2, 2, 2)]


async def test_words_that_are_on_their_way_count_as_visible(desk: Desk) -> None:
    gate, arrived = asyncio.Event(), asyncio.Event()

    def arrive(call: Call, number: int) -> None:
        if call.op == "send":
            arrived.set()

    desk.platform.latency, desk.platform.faults = lambda: 0.2, arrive
    desk.model.script = lambda request: ("Dạ, đây", gate, " ạ.")
    await desk.write("một?")
    await arrived.wait()
    assert desk.platform.texts() == []  # its outcome is not known yet
    await desk.write("hai?")
    gate.set()
    await desk.answered()
    assert asked(desk) == ["một?", "hai?"]
    assert desk.platform.chat("lan") == ["Dạ, đây ạ.", "Dạ, đây ạ."]


async def test_words_that_were_not_let_out_yet_are_never_seen_when_something_joins(desk: Desk) -> None:
    desk.platform.faults = lambda call, number: RateLimited(0.5) if call.op == "send" and number == 0 else None

    def script(request: ModelRequest) -> list[Step]:
        return ["Mới"] if "hai" in request.messages[-1].text else ["Cũ", asyncio.Event()]

    desk.model.script = script
    await desk.write("một?")
    await eventually(lambda: bool(desk.platform.failed()))
    await desk.write("hai?")
    await desk.answered()
    assert asked(desk) == ["một?", "một?\nhai?"]
    assert [call.text for call in desk.platform.texts() if not call.error] == ["Mới"]


async def test_two_messages_in_one_instant_are_one_turn_or_join(desk: Desk) -> None:
    desk.model.script = silent_until("một", "hai")
    await asyncio.gather(desk.write("một?"), desk.write("hai?"))
    await desk.answered()
    assert len(asked(desk)) <= 2
    assert desk.platform.chat("lan") == ["Dạ vâng."]
    assert await desk.rows(ANSWERED_BY) == [(2, 1, 2)]


async def test_the_sentence_for_who_waits_does_not_keep_a_message_from_joining(tmp_path: Path) -> None:
    async with opened(tmp_path, EngineLimits(patience=0.05)) as desk:
        desk.model.script = silent_until("một", "hai")
        await desk.write("một?")
        await shown(desk, desk.policies.sentence("wait", "vi"))
        await desk.write("hai?")
        await desk.answered()
        assert asked(desk) == ["một?", "một?\nhai?"]
        assert desk.platform.chat("lan") == ["Dạ vâng."]


async def test_a_reply_hangs_on_the_last_message_that_joined(desk: Desk) -> None:
    desk.model.script = silent_until("một", "hai")
    await desk.write("một?", reply_to="1")
    await requested(desk, 1)
    await desk.write("hai?", reply_to="2")
    await desk.answered()
    (sent,) = desk.platform.of("lan", op="send")
    assert sent.message is not None
    assert sent.message.reply_to == "2"
    assert sent.key == "reply-1"


async def test_a_message_that_wants_its_own_place_waits_when_a_sentence_stands_at_another(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with opened(tmp_path, EngineLimits(patience=0.05)) as desk:
        desk.model.script = lambda request: (gate, "Dạ.")
        await desk.write("một?", reply_to="1")
        await shown(desk, desk.policies.sentence("wait", "vi"))
        await desk.write("hai?", reply_to="2")
        gate.set()
        await desk.answered()
        sends = [call.message for call in desk.platform.of("lan", op="send")]
        assert [sent.reply_to for sent in sends if sent] == ["1", "2"]
        assert asked(desk) == ["một?", "hai?"]


async def test_the_answer_is_in_the_language_of_all_that_was_written(desk: Desk) -> None:
    desk.model.script = silent_until("không")
    await desk.write("hello, one question please", language="en")
    await requested(desk, 1)
    await desk.write("áo này còn size M không ạ", language="en")
    await desk.answered()
    assert [request.language for request in desk.model.requests] == ["en", "vi"]


async def test_an_edit_before_the_first_words_is_asked_about_instead(desk: Desk) -> None:
    desk.model.script = silent_until("size L")
    await desk.write("áo size M?")
    await requested(desk, 1)
    await desk.inbox.receive(message("áo size L?", 1, edited=True))
    await desk.answered()
    assert asked(desk) == ["áo size M?", "áo size L?"]
    assert desk.platform.chat("lan") == ["Dạ vâng."]
    assert await desk.rows("SELECT text, is_correction FROM inbox") == [("áo size L?", 0)]


async def test_an_edit_after_the_first_words_is_told_as_a_correction(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.model.script = lambda request: ("Dạ, đây", gate, " ạ.")
    await desk.write("áo size M?")
    await shown(desk, "Dạ, đây")
    await desk.inbox.receive(message("áo size L?", 1, edited=True))
    gate.set()
    await desk.answered()
    assert asked(desk) == ["áo size M?", "[edited: this replaces an earlier message]\náo size L?"]
    assert desk.platform.chat("lan") == ["Dạ, đây ạ.", "Dạ, đây ạ."]


async def test_an_edit_of_an_answered_message_joins_a_later_turn_as_a_correction(desk: Desk) -> None:
    await desk.ask("áo size M?")
    desk.model.script = silent_until("hai", "size L")
    await desk.write("hai?")
    await requested(desk, 2)
    await desk.inbox.receive(message("áo size L?", 1, edited=True))
    await desk.answered()
    assert asked(desk)[-1] == "hai?\n[edited: this replaces an earlier message]\náo size L?"


async def test_an_edit_to_more_than_can_be_answered_is_told_so(desk: Desk) -> None:
    desk.model.script = lambda request: (asyncio.Event(),)
    await desk.write("áo size M?")
    await requested(desk, 1)
    await desk.inbox.receive(message("dài " * 5_000, 1, edited=True))
    await desk.answered()
    assert desk.platform.chat("lan") == [desk.policies.sentence("too_long", "vi", limit=16_000)]
    assert len(desk.model.requests) == 1


async def test_what_would_be_too_long_together_is_answered_one_by_one(desk: Desk) -> None:
    gate = asyncio.Event()

    def script(request: ModelRequest) -> list[Step]:
        return [gate, "Một."] if request.messages[-1].text == "một?" else ["Hai."]

    desk.model.script = script
    await desk.write("một?")
    await requested(desk, 1)
    await desk.write("dài " * 3_999)
    await requested(desk, 2)
    gate.set()
    await desk.answered()
    assert desk.platform.chat("lan") == ["Một.", "Hai."]


async def test_a_message_of_another_role_waits_for_its_turn(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.model.script = lambda request: (gate, "Dạ.")
    await desk.write("một?")
    await requested(desk, 1)
    await desk.write("hai?", role="staff")
    gate.set()
    await desk.answered()
    assert desk.model.broken_off == 0
    assert [request.system for request in desk.model.requests] == [
        desk.policies.prompts.system,
        desk.policies.prompts.staff,
    ]


async def test_a_command_does_not_disturb_the_running_answer(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.model.script = lambda request: (gate, "Dạ.")
    await desk.write("một?")
    await requested(desk, 1)
    await desk.write("", command="help")
    await desk.write("hai?")
    gate.set()
    await desk.answered()
    assert asked(desk) == ["một?", "hai?"]
    assert desk.model.broken_off == 0
    assert desk.platform.chat("lan") == ["Dạ.", desk.policies.sentence("help", "vi"), "Dạ."]


async def test_a_stop_means_what_was_about_to_join_too_and_not_what_comes_after_it(desk: Desk) -> None:
    desk.model.script = lambda request: ["Ba."] if request.messages[-1].text == "ba?" else [asyncio.Event()]
    await desk.write("một?")
    await requested(desk, 1)
    await desk.write("hai?")
    await desk.write("", command="stop")
    await desk.write("ba?")
    await desk.answered()
    assert asked(desk) == ["một?", "ba?"]
    assert desk.platform.chat("lan") == [desk.policies.sentence("stopped", "vi"), "Ba."]
    outcomes = await desk.rows("SELECT text, outcome FROM turns WHERE role = 'customer' ORDER BY id")
    assert outcomes == [("một?\nhai?", "complete"), ("ba?", "complete")]


async def test_a_stop_ends_a_turn_that_something_has_joined(desk: Desk) -> None:
    desk.model.script = lambda request: (asyncio.Event(),)
    await desk.write("một?")
    await requested(desk, 1)
    await desk.write("hai?")
    await requested(desk, 2)
    await desk.write("", command="stop")
    await desk.answered()
    assert desk.platform.chat("lan") == [desk.policies.sentence("stopped", "vi")]
    assert desk.model.broken_off == 2
    assert await desk.rows("SELECT count(DISTINCT answered_by) FROM inbox WHERE command IS NULL") == [(1,)]


async def test_a_start_afresh_ends_what_was_about_to_join(desk: Desk) -> None:
    desk.model.script = lambda request: ["Ba."] if request.messages[-1].text == "ba?" else [asyncio.Event()]
    await desk.write("một?")
    await requested(desk, 1)
    await desk.write("hai?")
    await desk.write("", command="new")
    await desk.write("ba?")
    await desk.answered()
    assert asked(desk) == ["một?", "ba?"]
    new = desk.policies.sentence("new_conversation", "vi")
    assert desk.platform.chat("lan") == [desk.policies.sentence("stopped", "vi"), new, "Ba."]
    assert desk.model.requests[-1].messages[0].text == "ba?"


async def test_a_message_joins_while_the_request_is_made_again_without_pictures(desk: Desk) -> None:
    def script(request: ModelRequest) -> list[Step]:
        question = request.messages[-1]
        if question.images:
            return [ModelRejected("could not process image")]
        return ["Dạ."] if "hai" in question.text else [asyncio.Event()]

    desk.model.script = script
    await desk.write("một?", attachments=(Attachment("photo", "p"),))
    await requested(desk, 2)
    await desk.write("hai?")
    await desk.answered()
    assert asked(desk)[-1] == "một?\nhai?"
    assert "could not be read" in desk.model.requests[-1].context
    assert desk.platform.chat("lan") == ["Dạ."]
    assert await desk.rows(ANSWERED_BY) == [(2, 1, 2)]


async def test_a_picture_that_joins_goes_along(desk: Desk) -> None:
    desk.model.script = lambda request: ["Dạ."] if request.messages[-1].images else [asyncio.Event()]
    await desk.write("áo này còn không?")
    await requested(desk, 1)
    await desk.write("", attachments=(Attachment("photo", "p"),))
    await desk.answered()
    assert [len(request.messages[-1].images) for request in desk.model.requests] == [0, 1]


async def test_what_joins_while_waiting_for_a_free_stream_costs_no_request_and_no_place(tmp_path: Path) -> None:
    minh = replace(LAN, chat_id="minh")
    gate = asyncio.Event()
    async with opened(tmp_path, EngineLimits(streams=1)) as desk:
        desk.model.script = lambda request: ("Dạ", gate, ".")
        await desk.write("trước?", at=minh)
        await eventually(lambda: desk.platform.chat("minh") == ["Dạ"])
        await desk.write("một?")
        await eventually(lambda: any(call.op == "typing" for call in desk.platform.of("lan")))
        await desk.write("hai?")
        await desk.write("ba?")
        gate.set()
        await desk.answered()
        assert asked(desk) == ["trước?", "một?\nhai?\nba?"]
        assert desk.model.broken_off == 0


async def test_a_model_that_fails_after_a_join_is_told_once_for_all(desk: Desk) -> None:
    def script(request: ModelRequest) -> list[Step]:
        return [ModelUnavailable("down")] if "hai" in request.messages[-1].text else [asyncio.Event()]

    desk.model.script = script
    await desk.write("một?")
    await requested(desk, 1)
    await desk.write("hai?")
    await desk.answered()
    assert desk.platform.chat("lan") == [desk.policies.sentence("model_down", "vi")]
    assert await desk.rows(ANSWERED_BY) == [(2, 1, 2)]


async def test_a_model_that_falls_silent_after_a_join_has_failed(tmp_path: Path) -> None:
    async with opened(tmp_path, EngineLimits(silence=0.4)) as desk:
        desk.model.script = lambda request: (asyncio.Event(),)
        await desk.write("một?")
        await requested(desk, 1)
        await desk.write("hai?")
        await desk.answered()
        assert len(desk.model.requests) == 2
        assert desk.platform.chat("lan") == [desk.policies.sentence("model_down", "vi")]


async def test_a_reader_who_is_gone_ends_all_that_joined_quietly(desk: Desk) -> None:
    desk.platform.faults = lambda call, number: RecipientGone("blocked") if call.op != "typing" else None
    desk.model.script = silent_until("một", "hai")
    await desk.write("một?")
    await requested(desk, 1)
    await desk.write("hai?")
    await desk.answered()
    assert await desk.rows(ANSWERED_BY) == [(2, 1, 2)]
    assert await desk.rows("SELECT outcome FROM turns WHERE role = 'assistant'") == [("undeliverable",)]


async def test_storage_that_fails_while_a_message_joins_loses_nothing(desk: Desk) -> None:
    desk.model.script = silent_until("một", "hai")
    await desk.write("một?")
    await requested(desk, 1)
    await desk.write("hai?")
    await desk.database.write(lambda db: db.execute("ALTER TABLE attachments RENAME TO away"))
    await eventually(lambda: desk.model.broken_off == 1)
    await asyncio.sleep(0.3)
    assert len(desk.model.requests) == 1
    await desk.database.write(lambda db: db.execute("ALTER TABLE away RENAME TO attachments"))
    await desk.answered()
    assert asked(desk)[-1] == "một?\nhai?"
    assert desk.platform.chat("lan") == ["Dạ vâng."]
    assert await desk.rows(ANSWERED_BY) == [(2, 1, 2)]


async def test_an_answer_is_begun_again_only_so_many_times(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.model.script = lambda request: (gate, "Dạ.")
    for number in range(1, 5):
        await desk.write(f"câu {number}?")
        await requested(desk, number)
    await desk.write("câu 5?")
    gate.set()
    await desk.answered()
    assert asked(desk)[3:] == ["câu 1?\ncâu 2?\ncâu 3?\ncâu 4?", "câu 5?"]
    assert desk.platform.chat("lan") == ["Dạ.", "Dạ."]


@pytest.mark.parametrize("together", [True, False])
async def test_a_hundred_messages_in_a_row_are_few_requests_and_one_or_two_answers(desk: Desk, together: bool) -> None:
    gate = asyncio.Event()
    desk.model.script = lambda request: (gate, "Dạ.")
    texts = [f"câu {number}?" for number in range(100)]
    if together:
        await asyncio.gather(*(desk.write(text) for text in texts))
    else:
        for text in texts:
            await desk.write(text)
    asyncio.get_running_loop().call_later(1.0, gate.set)
    await desk.answered()
    assert len(desk.model.requests) <= 4
    assert len(desk.platform.chat("lan")) <= 2
    assert (await desk.rows("SELECT count(*) FROM inbox WHERE answered_by IS NULL")) == [(0,)]
    told = await desk.rows("SELECT text FROM turns WHERE role = 'customer' ORDER BY id")
    written = await desk.rows("SELECT text FROM inbox ORDER BY id")
    assert "\n".join(str(text) for (text,) in told) == "\n".join(str(text) for (text,) in written)


async def test_whatever_the_moment_each_message_is_answered_once_and_in_order(desk: Desk) -> None:
    """A second message after 0 to 20 ms, which is all the time that an answer takes here."""
    moments = 40
    for moment in range(moments):
        await desk.write(f"một {moment}?")
        await asyncio.sleep(moment / 2000)
        await desk.write(f"hai {moment}?")
        await desk.answered()
    told = await desk.rows("SELECT text FROM turns WHERE role = 'customer' ORDER BY id")
    written = [f"{which} {moment}?" for moment in range(moments) for which in ("một", "hai")]
    assert "\n".join(str(text) for (text,) in told).split("\n") == written
    assert await desk.rows("SELECT count(*) FROM inbox WHERE answered_by IS NULL") == [(0,)]
    answers = await desk.rows("SELECT count(*) FROM turns WHERE role = 'assistant'")
    assert [(len(desk.platform.chat("lan")),)] == answers

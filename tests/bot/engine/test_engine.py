import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat import Address, Attachment
from bot.engine.limits import EngineLimits
from bot.errors import (
    MessageRefused,
    ModelRefused,
    ModelUnavailable,
    RecipientGone,
    StorageFull,
)
from bot.llm.base import Billed, Cited, ModelRequest, Payer, Restarted, Usage
from tests.bot.engine.desk import QUICK, Desk, opened, shown
from tests.words import LAN, eventually, message


async def test_the_models_words_reach_the_reader_and_are_remembered(desk: Desk) -> None:
    desk.model.script = lambda request: ("Dạ ", "còn ", "hàng ạ.")
    assert await desk.ask("áo này còn không") == "Dạ còn hàng ạ."
    rows = await desk.rows("SELECT role, text, outcome, model, input_tokens, output_tokens FROM turns ORDER BY id")
    assert rows == [
        ("customer", "áo này còn không", "complete", None, None, None),
        ("assistant", "Dạ còn hàng ạ.", "complete", "scripted", 10, 20),
    ]
    timings = await desk.rows(
        "SELECT request_ms, first_delta_ms, first_visible_ms, finished_ms FROM turns WHERE role = 'assistant'"
    )
    moments = [moment for moment in timings[0] if isinstance(moment, int)]
    assert len(moments) == 4
    assert moments == sorted(moments)


async def test_an_answer_names_its_policy_version_and_shows_its_sources(desk: Desk) -> None:
    section = desk.policies.prompts.sections[3]
    desk.model.script = lambda request: ("Trong 7 ngày ạ.", Cited(section.id), Cited(section.id), Cited("made-up"))
    shown = await desk.ask("đổi trả thế nào")
    assert shown.startswith("Trong 7 ngày ạ.")
    assert shown.count("Nguồn") == 1
    assert section.source().heading in shown
    assert await desk.rows("SELECT section_id FROM turn_sources") == [(section.id,)]
    versions = await desk.rows("SELECT DISTINCT policy_version FROM turns WHERE role = 'assistant'")
    assert versions == [(desk.policies.version,)]


async def test_a_platform_that_shows_sources_itself_is_given_them_apart(desk: Desk) -> None:
    desk.platform.limits = replace(QUICK, shows_sources=True)
    section = desk.policies.prompts.sections[0]
    desk.model.script = lambda request: ("Vâng.", Cited(section.id))
    assert await desk.ask("đổi trả thế nào") == "Vâng."
    last = [call for call in desk.platform.texts() if not call.growing][-1]
    assert last.message is not None
    assert last.message.sources == (section.source(),)


async def test_the_start_of_the_request_is_the_same_from_turn_to_turn(desk: Desk) -> None:
    for text in ("đổi trả thế nào", "phí ship bao nhiêu", "còn size M không"):
        await desk.ask(text)
    first, second, third = desk.model.requests
    assert first.system == second.system == third.system
    assert first.sections == second.sections == third.sections
    assert second.messages[: len(first.messages)] == first.messages
    assert third.messages[: len(second.messages)] == second.messages
    assert first.context != ""


async def test_history_goes_along_and_a_start_afresh_forgets_it(desk: Desk) -> None:
    await desk.ask("một")
    await desk.ask("hai")
    assert [item.text for item in desk.model.requests[-1].messages] == ["một", "Dạ vâng.", "hai"]
    assert await desk.ask("", command="new") == desk.policies.sentence("new_conversation", "vi")
    await desk.ask("ba")
    assert [item.text for item in desk.model.requests[-1].messages] == ["ba"]


async def test_start_greets_and_keeps_the_payload_of_its_link(desk: Desk) -> None:
    assert await desk.ask("ao-so-mi-42", command="start") == desk.policies.sentence("greeting", "vi")
    assert desk.model.requests == []
    await desk.ask("còn không")
    assert "ao-so-mi-42" in desk.model.requests[0].context


async def test_help_is_in_the_language_of_the_reader(desk: Desk) -> None:
    assert await desk.ask("", command="help", language="en-GB") == desk.policies.sentence("help", "en")
    assert await desk.ask("", command="help", language="vi") == desk.policies.sentence("help", "vi")


@pytest.mark.parametrize("text", ["", "   \n ", "\u0301\u0301", "\u200b", "\u3164"])
async def test_a_message_with_nothing_to_see_gets_a_sentence_and_no_model(desk: Desk, text: str) -> None:
    assert await desk.ask(text) == desk.policies.sentence("empty", "vi")
    assert desk.model.requests == []


async def test_a_lone_emoji_is_a_message(desk: Desk) -> None:
    assert await desk.ask("👍🏽") == "Dạ vâng."


async def test_a_hundred_thousand_characters_are_kept_and_answered_with_the_limit(desk: Desk) -> None:
    shown = await desk.ask("đ" * 100_000)
    assert shown == desk.policies.sentence("too_long", "vi", limit=16_000)
    assert desk.model.requests == []
    assert await desk.rows("SELECT length(text) FROM inbox") == [(100_000,)]


@pytest.mark.parametrize("kind", ["voice", "sticker", "location", "contact", "file", "video", "audio", "other"])
async def test_what_cannot_be_read_gets_a_friendly_sentence(desk: Desk, kind: str) -> None:
    shown = await desk.ask("", attachments=(Attachment(kind, "f"),))  # type: ignore[arg-type]
    assert shown == desk.policies.sentence(f"unsupported_{kind}", "vi")
    assert desk.model.requests == []


async def test_words_beside_something_unreadable_are_answered_and_the_model_is_told(desk: Desk) -> None:
    await desk.ask("xem giúp mình", attachments=(Attachment("file", "f"),))
    assert "an attachment that you cannot see: file" in desk.model.requests[0].context


async def test_a_correction_in_vietnamese_is_answered_in_vietnamese(desk: Desk) -> None:
    await desk.ask("size M", language="vi")
    await desk.inbox.receive(message("size L", 1, edited=True, language="vi"))
    await desk.answered()
    assert desk.model.requests[1].language == "vi"
    assert "replaces an earlier message" in desk.model.requests[1].messages[-1].text


async def test_storage_that_fails_after_the_answer_is_shown_never_sends_it_again(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.model.script = lambda request: ("Dạ. ", gate, "Vâng ạ.")
    await desk.write("hỏi")
    await shown(desk, "Dạ.")
    await desk.database.write(lambda db: db.execute("ALTER TABLE turn_sources RENAME TO away"))
    await desk.database.write(lambda db: db.execute("ALTER TABLE turns RENAME TO turns_away"))
    gate.set()
    await shown(desk, "Dạ. Vâng ạ.")
    await asyncio.sleep(0.2)
    assert len(desk.model.requests) == 1
    await desk.database.write(lambda db: db.execute("ALTER TABLE turns_away RENAME TO turns"))
    await desk.database.write(lambda db: db.execute("ALTER TABLE away RENAME TO turn_sources"))
    await desk.answered()
    assert len(desk.model.requests) == 1
    assert desk.platform.chat("lan") == ["Dạ. Vâng ạ."]


async def test_a_start_afresh_ends_the_running_answer_and_drops_what_waits(desk: Desk) -> None:
    desk.model.script = lambda request: ("Dạ, đây là một câu", asyncio.Event())
    await desk.write("một")
    await shown(desk, "Dạ, đây là một câu")
    await desk.write("hai")
    await desk.write("", command="new")
    await desk.answered()
    assert len(desk.model.requests) == 1
    assert desk.model.broken_off == 1
    assert desk.platform.chat("lan")[-1] == desk.policies.sentence("new_conversation", "vi")
    assert [past.text for past in await desk.turns.transcript(LAN)] == []


async def test_the_transcript_holds_what_the_reader_saw_below_an_answer(desk: Desk) -> None:
    desk.model.stop_reason = "max_tokens"
    seen = await desk.ask("hỏi")
    assert [past.text for past in await desk.turns.transcript(LAN)] == ["hỏi", seen]


async def test_what_a_broken_answer_has_cost_is_stored(desk: Desk) -> None:
    desk.model.billed = Usage(7, 1, 0, 0)
    desk.model.script = lambda request: ("Một nửa", ModelUnavailable("cut"))
    await desk.ask("hỏi")
    assert await desk.rows("SELECT outcome, input_tokens FROM turns WHERE role = 'assistant'") == [("failed", 7)]


async def test_an_answer_that_begins_anew_replaces_what_was_visible_of_the_first(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.model.script = lambda request: ("Một nửa câu", gate, Restarted(), "Dạ, được ạ.")
    await desk.write("hỏi")
    await shown(desk, "Một nửa câu")
    gate.set()
    await desk.answered()
    assert desk.platform.chat("lan") == ["Dạ, được ạ."]
    assert await desk.rows("SELECT outcome, text FROM turns WHERE role = 'assistant'") == [("complete", "Dạ, được ạ.")]


async def test_who_was_billed_for_what_is_stored_of_every_attempt(desk: Desk) -> None:
    first, second = Payer("anthropic:a", "key 1"), Payer("openai:b")
    desk.model.script = lambda request: (
        *(Billed(Usage(7, 1, cost=70), first), Billed(Usage(7, 3, cost=90), first), Restarted()),
        *(Billed(Usage(7, 1, cost=70), first), Restarted()),
        *(Billed(Usage(5, 1, cost=10), second), "Dạ."),
    )
    await desk.ask("hỏi")
    columns = "model, key, input_tokens, output_tokens, cost"
    assert await desk.rows(f"SELECT {columns} FROM spendings ORDER BY model") == [
        ("anthropic:a", "key 1", 14, 4, 160),
        ("openai:b", "", 10, 20, 0),
    ]


async def test_a_model_that_fails_is_told_once_and_replaces_what_was_there(desk: Desk) -> None:
    desk.model.script = lambda request: ("Một nửa câu trả lời rồi", ModelUnavailable("stream ended early"))
    assert await desk.ask("hỏi") == desk.policies.sentence("model_down", "vi")
    assert desk.platform.chat("lan") == [desk.policies.sentence("model_down", "vi")]
    assert await desk.rows("SELECT outcome FROM turns WHERE role = 'assistant'") == [("failed",)]
    desk.model.script = lambda request: ("Dạ.",)
    await desk.ask("hỏi lại")
    assert [item.role for item in desk.model.requests[-1].messages] == ["user", "user"]


async def test_an_answer_that_the_platform_takes_in_no_form_is_followed_by_a_sentence(desk: Desk) -> None:
    desk.platform.faults = lambda call, number: MessageRefused("no") if "cấm" in call.text else None
    desk.model.script = lambda request: ("Điều này bị cấm ạ.",)
    assert await desk.ask("hỏi") == desk.policies.sentence("model_down", "vi")
    assert desk.platform.chat("lan") == [desk.policies.sentence("model_down", "vi")]
    assert await desk.rows("SELECT outcome FROM turns WHERE role = 'assistant'") == [("failed",)]


async def test_a_question_that_the_model_refuses_is_dropped_from_history(desk: Desk) -> None:
    desk.model.script = lambda request: (ModelRefused("refusal"),)
    assert await desk.ask("câu hỏi xấu") == desk.policies.sentence("refused", "vi")
    desk.model.script = lambda request: ("Dạ.",)
    await desk.ask("câu hỏi tốt")
    assert [item.text for item in desk.model.requests[-1].messages] == ["câu hỏi tốt"]


async def test_a_model_that_falls_silent_has_failed(tmp_path: Path) -> None:
    async with opened(tmp_path, EngineLimits(silence=0.05)) as desk:
        desk.model.script = lambda request: ("Dạ", asyncio.Event())
        assert await desk.ask("hỏi") == desk.policies.sentence("model_down", "vi")
        assert desk.model.broken_off == 1


async def test_an_answer_that_hits_its_length_says_so(desk: Desk) -> None:
    desk.model.stop_reason = "max_tokens"
    assert await desk.ask("hỏi") == "Dạ vâng.\n\n" + desk.policies.sentence("truncated", "vi")


async def test_a_stop_ends_the_stream_at_once_and_what_is_there_stays(desk: Desk) -> None:
    desk.model.script = lambda request: ("Dạ, đây là một câu", asyncio.Event(), " dài.")
    await desk.write("hỏi")
    await shown(desk, "Dạ, đây là một câu")
    await desk.write("", command="stop")
    await desk.answered()
    stopped = desk.policies.sentence("stopped", "vi")
    assert desk.platform.chat("lan") == [f"Dạ, đây là một câu\n\n{stopped}"]
    assert desk.model.broken_off == 1
    assert await desk.rows("SELECT text, outcome FROM turns WHERE role = 'assistant'") == [
        ("Dạ, đây là một câu", "stopped")
    ]


async def test_a_stop_before_the_first_word_leaves_only_the_sentence(desk: Desk) -> None:
    desk.model.script = lambda request: (asyncio.Event(), "nie")
    await desk.write("hỏi")
    await eventually(lambda: bool(desk.model.requests))
    await desk.write("", command="stop")
    await desk.answered()
    assert desk.platform.chat("lan") == [desk.policies.sentence("stopped", "vi")]


async def test_a_stop_with_nothing_to_stop_says_so(desk: Desk) -> None:
    await desk.write("", command="stop")
    await shown(desk, desk.policies.sentence("nothing_to_stop", "vi"))


@pytest.mark.parametrize("redelivers", [True, False])
async def test_only_who_need_not_write_again_is_told_that_the_message_is_not_lost(desk: Desk, redelivers: bool) -> None:
    desk.platform.limits = replace(QUICK, redelivers=redelivers)
    await desk.database.write(lambda db: db.execute("PRAGMA max_page_count=1").fetchall())
    with pytest.raises(StorageFull):
        await desk.write("áo này còn không? " * 10_000, language="vi")
    await desk.database.write(lambda db: db.execute("PRAGMA max_page_count=1000000").fetchall())
    desk.model.script = lambda request: ("Dạ còn.",)
    assert await desk.ask("áo này còn không?") == "Dạ còn."
    told = [desk.policies.sentence("delayed", "vi")] if redelivers else []
    assert desk.platform.chat("lan") == [*told, "Dạ còn."]


async def test_a_customer_who_is_gone_ends_the_reply_quietly(desk: Desk) -> None:
    desk.platform.faults = lambda call, number: RecipientGone("blocked") if call.op != "typing" else None
    desk.model.script = lambda request: [f"Câu {number}. " for number in range(200)]
    await desk.write("hỏi")
    await desk.answered()
    assert await desk.rows("SELECT outcome FROM turns WHERE role = 'assistant'") == [("undeliverable",)]


async def test_staff_are_answered_with_their_own_instructions(desk: Desk) -> None:
    await desk.ask("khách hỏi đổi trả", role="staff")
    assert desk.model.requests[0].system == desk.policies.prompts.staff
    await desk.ask("còn gì nữa", role="staff")
    assert [item.role for item in desk.model.requests[1].messages] == ["user", "assistant", "user"]


async def test_a_conversation_does_not_wait_for_another(desk: Desk) -> None:
    gate = asyncio.Event()

    def script(request: ModelRequest) -> list[str | Cited | Exception | asyncio.Event]:
        return [gate, "langsam"] if request.messages[-1].text == "chậm" else ["schnell"]

    desk.model.script = script
    await desk.write("chậm")
    await desk.write("nhanh", at=Address("shop", "minh"))
    await eventually(lambda: desk.platform.chat("minh") == ["schnell"])
    assert desk.platform.chat("lan") == []
    gate.set()
    await desk.answered()
    assert desk.platform.chat("lan") == ["langsam"]


async def test_only_so_many_streams_run_at_once_and_all_are_answered(tmp_path: Path) -> None:
    running = most = 0

    async with opened(tmp_path, EngineLimits(streams=3)) as desk:
        gates = [asyncio.Event() for _ in range(12)]

        def script(request: ModelRequest) -> list[str | Cited | Exception | asyncio.Event]:
            nonlocal running, most
            running = len(desk.model.requests) - sum(gate.is_set() for gate in gates)
            most = max(most, running)
            return [gates[len(desk.model.requests) - 1], "ok"]

        desk.model.script = script
        for number in range(12):
            await desk.write("hỏi", at=Address("shop", f"c{number}"))
        for number, gate in enumerate(gates):
            await eventually(lambda number=number: len(desk.model.requests) > number)  # type: ignore[misc]
            gate.set()
        await desk.answered()
    assert most == 3
    assert len(desk.platform.messages) == 12

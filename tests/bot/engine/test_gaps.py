"""What customers ask and no policy answers is kept for the shop."""

import asyncio
import json
from pathlib import Path

import pytest

from bot.errors import ModelRefused
from bot.llm.base import Cited, ModelRequest
from tests.bot.engine.desk import Desk, opened

GAPS = "SELECT question, nearest, role, policy_version FROM gaps JOIN turns ON turns.id = turn_id"


async def test_a_question_that_no_section_answers_is_kept_with_its_answer(desk: Desk) -> None:
    await desk.ask("shop có bán laptop không?")
    ((question, nearest, role, version),) = await desk.rows(GAPS)
    assert (question, role, version) == ("shop có bán laptop không?", "assistant", desk.policies.version)
    known = {section.id for section in desk.policies.prompts.sections}
    assert set(json.loads(str(nearest))) <= known


async def test_a_question_that_a_section_answers_is_none(desk: Desk) -> None:
    await desk.ask("đổi trả trong mấy ngày?")
    await desk.ask("còn đồ gia dụng thì sao?")
    assert await desk.rows(GAPS) == []


async def test_an_answer_that_names_its_source_leaves_no_gap_whatever_the_search_finds(desk: Desk) -> None:
    def script(request: ModelRequest) -> tuple[str | Cited, ...]:
        return ("Dạ có.", Cited(request.sections[0].section_id))

    desk.model.script = script
    await desk.ask("shop có bán laptop không?")
    assert await desk.rows("SELECT count(*) FROM turn_sources") == [(1,)]
    assert await desk.rows(GAPS) == []


@pytest.mark.parametrize(
    "words",
    [
        "hi shop",
        "chào buổi sáng",
        "cảm ơn shop nhiều nhé",
        "tks",
        "dạ vâng ạ",
        "👍",
        "0912345678",
        "good morning",
        "haha ok",
    ],
)
async def test_greetings_thanks_and_numbers_ask_for_nothing(desk: Desk, words: str) -> None:
    await desk.ask(words)
    assert len(desk.model.requests) == 1
    assert await desk.rows(GAPS) == []


async def test_what_staff_ask_and_what_got_no_answer_is_no_gap(desk: Desk) -> None:
    await desk.ask("shop có bán laptop không?", role="staff")
    desk.model.script = lambda request: (ModelRefused("no"),)
    await desk.ask("shop có bán laptop không?")
    assert await desk.rows(GAPS) == []


async def test_several_messages_are_one_gap(desk: Desk) -> None:
    await asyncio.gather(desk.write("shop ơi"), desk.write("có bán laptop không?"))
    await desk.answered()
    questions = [str(row[0]) for row in await desk.rows("SELECT question FROM gaps")]
    assert questions == ["shop ơi\ncó bán laptop không?"]


@pytest.mark.parametrize(
    "text",
    ["cảm ơn shop", "cam on shop nhieu nha", "ok shop", "hi", "👍", "tks", "dạ vâng ạ", "thanks a lot"],
)
async def test_offline_quotes_no_policy_to_who_asks_nothing(tmp_path: Path, text: str) -> None:
    async with opened(tmp_path, is_offline=True) as desk:
        await desk.ask("thời hạn đổi trả")
        assert await desk.ask(text) in {desk.policies.sentence("small_talk", language) for language in ("vi", "en")}


@pytest.mark.parametrize("text", ["bao lâu", "còn giày?", "size nào", "đổi trả", "how long?"])
async def test_a_short_question_is_no_small_talk(tmp_path: Path, text: str) -> None:
    async with opened(tmp_path, is_offline=True) as desk:
        await desk.ask("thời hạn đổi trả")
        assert desk.policies.sentence("small_talk", "vi") not in await desk.ask(text)

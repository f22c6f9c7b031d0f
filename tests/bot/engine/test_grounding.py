"""What a model is given to rely on, in a small shop and in a large one, and what it does with the tool."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.engine.limits import EngineLimits
from bot.errors import ModelUnavailable
from bot.llm.anthropic.request import build_body
from bot.llm.base import Cited, ModelRequest, Restarted, ToolCall
from bot.policies.live import estimated_tokens
from tests.bot.engine.desk import LIMITS, PROMPTS, Desk, opened, shown
from tests.words import eventually

LARGE = replace(LIMITS, section_tokens=100)
Script = Callable[[ModelRequest], Sequence[Any]]


@pytest.fixture
async def large(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk whose policies are too long to be given as a whole."""
    async with opened(tmp_path, LARGE) as desk:
        yield desk


def search(query: object = "bảo hành túi xách", number: int = 1, **more: object) -> ToolCall:
    return ToolCall(f"call-{number}", "search_policies", {"query": query, **more})


def in_turn(*answers: Sequence[Any]) -> Script:
    """What the model says first, and then after each round."""
    return lambda request: answers[len(request.rounds)]


async def test_a_small_shop_is_given_as_a_whole_and_needs_no_tool(desk: Desk) -> None:
    await desk.ask("đổi trả thế nào")
    request = desk.model.requests[0]
    assert {section.section_id for section in request.sections} == {one.id for one in desk.policies.prompts.sections}
    assert (request.found, request.tools) == ((), ())


async def test_a_large_shop_gives_what_is_found_for_the_turn_and_a_tool_to_find_more(large: Desk) -> None:
    await large.ask("phí đổi trả là bao nhiêu")
    request = large.model.requests[0]
    assert request.sections == ()
    assert 0 < len(request.found) <= LARGE.sections_found
    assert "vi/returns#phi-doi-tra" in [section.section_id for section in request.found]
    assert [tool.name for tool in request.tools] == ["search_policies"]
    assert request.tools[0].parameters["properties"]["language"]["enum"] == ["en", "vi"]  # type: ignore[index]


async def test_where_one_language_fits_it_is_given_and_the_tool_finds_the_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        tokens = {
            name: sum(estimated_tokens(one) for one in desk.policies.prompts.sections if one.language in name)
            for name in ("vi", "en", "vi en")
        }
    between = replace(LIMITS, section_tokens=max(tokens["vi"], tokens["en"]))
    assert between.section_tokens < tokens["vi en"]
    (tmp_path / "again").mkdir()
    async with opened(tmp_path / "again", between) as desk:
        target = "vi/warranty#thoi-gian-bao-hanh"
        desk.model.script = in_turn([search("thời gian bảo hành", language="vi")], ["Six months.", Cited(target)])
        assert "Source: [Bảo hành" in await desk.ask("how long is the warranty?")
        request = desk.model.requests[0]
        assert {one.section_id.partition("/")[0] for one in request.sections} == {"en"}
        assert (request.found, len(request.tools)) == ((), 1)


async def test_what_is_found_is_about_the_turns_before_it_too(large: Desk) -> None:
    await large.ask("phí đổi trả là bao nhiêu")
    await large.ask("còn giày thì sao?")
    assert any(one.section_id.startswith("vi/returns") for one in large.model.requests[1].found)


@pytest.mark.parametrize("limits", [LIMITS, LARGE], ids=["small", "large"])
async def test_the_start_of_a_request_is_the_same_bytes_from_turn_to_turn(tmp_path: Path, limits: EngineLimits) -> None:
    async with opened(tmp_path, limits) as desk:
        questions = ["đổi trả thế nào", "phí ship bao nhiêu", "xyzzy qwerty", "bảo hành bao lâu"]
        for text in questions:
            await desk.ask(text)
        bodies = [build_body("claude-haiku-5-5", request) for request in desk.model.requests]
    whole = [as_cached(body) for body in bodies]
    for number, text in enumerate(whole[:-1]):
        start = text[: text.index(f'"{questions[number]}"') + len(questions[number]) + 2]
        assert whole[number + 1].startswith(start)
    for body in bodies:
        *_, asked = body["messages"]
        marked = [block["text"] for block in asked["content"] if block["type"] == "text" and "cache_control" in block]
        assert marked == [questions.pop(0)]
        marks = json.dumps(body).count("cache_control")
        assert marks == 2, "one behind what all turns have in common, one behind the question"


def as_cached(body: dict[str, Any]) -> str:
    text = json.dumps([body.get("tools"), body["system"], body["messages"]], ensure_ascii=False)
    return text.replace(', "cache_control": {"type": "ephemeral"}', "")


async def test_what_the_tool_finds_may_be_cited_and_is_a_source(large: Desk) -> None:
    target = "vi/warranty#thoi-gian-bao-hanh"
    large.model.script = in_turn([search("thời gian bảo hành")], ["Sáu tháng ạ.", Cited(target), Cited("vi/made#up")])
    answer = await large.ask("xyzzy ạ")
    assert answer.startswith("Sáu tháng ạ.\n\nNguồn: ")
    assert await large.rows("SELECT section_id FROM turn_sources") == [(target,)]
    first, second = large.model.requests
    assert second == replace(first, rounds=second.rounds)
    (result,) = second.rounds[0].results
    assert target in [section.section_id for section in result.sections]
    assert result.call_id == "call-1"


async def test_a_section_is_given_once_however_often_it_is_found(large: Desk) -> None:
    twice = [search("phí đổi trả", 1), search("phí đổi trả", 2)]
    large.model.script = in_turn(twice, [search("phí đổi trả", 3)], ["Dạ."])
    await large.ask("phí đổi trả là bao nhiêu")
    last = large.model.requests[-1]
    given = [*last.found, *(one for each in last.rounds for result in each.results for one in result.sections)]
    assert len(given) == len({section.section_id for section in given})
    assert "given to you before" in last.rounds[1].results[0].text


async def test_words_before_a_call_stay_and_the_answer_stands_below_them(large: Desk) -> None:
    large.model.script = in_turn(["Để mình ", "xem…", search()], ["\n", "Sáu ", "tháng ạ."])
    assert await large.ask("bảo hành bao lâu") == "Để mình xem…\n\nSáu tháng ạ."
    rows = await large.rows("SELECT text FROM turns WHERE role = 'assistant'")
    assert rows == [("Để mình xem…\n\nSáu tháng ạ.",)]
    assert large.model.requests[1].rounds[0].text == "Để mình xem…"


async def test_the_typing_sign_shows_while_the_model_searches(large: Desk) -> None:
    gate = asyncio.Event()
    large.model.script = in_turn([search()], [gate, "Sáu tháng ạ."])
    await large.write("bảo hành bao lâu")
    await eventually(lambda: bool(large.platform.of("lan", op="typing")))
    assert len(large.model.requests) == 2
    assert large.platform.texts() == []
    gate.set()
    await shown(large, "Sáu tháng ạ.")


@pytest.mark.parametrize(
    "call",
    [
        ToolCall("1", "drop_tables", {}),
        ToolCall("1", "search_policies", None),
        ToolCall("1", "search_policies", {}),
        search(" \n"),
        search(7),
        search(["a"]),
        search("\x00\u202e"),
    ],
)
async def test_a_call_that_makes_no_sense_is_answered_with_what_is_wrong(large: Desk, call: ToolCall) -> None:
    large.model.script = in_turn([call], ["Dạ."])
    assert await large.ask("bảo hành bao lâu") == "Dạ."
    (result,) = large.model.requests[1].rounds[0].results
    assert result.is_error
    assert result.text


@pytest.mark.parametrize(
    "more", [{"language": "xx"}, {"language": 5}, {"evil": {"a": []}}, {"query": "bảo hành " * 9999}]
)
async def test_a_search_with_odd_arguments_is_a_search(large: Desk, more: dict[str, object]) -> None:
    large.model.script = in_turn([search(**{"query": "bảo hành", **more})], ["Dạ."])  # type: ignore[arg-type]
    await large.ask("xyzzy")
    assert large.model.requests[1].rounds[0].results[0].sections


async def test_a_model_that_only_calls_tools_has_to_answer_after_four_rounds(large: Desk) -> None:
    large.model.script = lambda request: [search()] if request.may_call else ["Dạ, mình chưa rõ ạ."]
    assert await large.ask("bảo hành bao lâu") == "Dạ, mình chưa rõ ạ."
    assert len(large.model.requests) == LARGE.tool_rounds + 1


async def test_a_model_that_never_answers_ends_in_a_sentence(large: Desk) -> None:
    large.model.script = lambda request: [search()]
    assert await large.ask("bảo hành bao lâu") == large.policies.sentence("model_down", "vi")
    assert len(large.model.requests) == LARGE.tool_rounds + 1


async def test_of_a_thousand_calls_at_once_a_few_are_made_and_all_are_answered(large: Desk) -> None:
    large.model.script = in_turn([search(number=number) for number in range(1000)], ["Dạ."])
    assert await large.ask("bảo hành bao lâu") == "Dạ."
    results = large.model.requests[1].rounds[0].results
    assert [result.call_id for result in results] == [f"call-{number}" for number in range(1000)]
    assert sum(not result.is_error for result in results) == LARGE.tool_calls


async def test_a_failure_after_a_round_is_told_once_and_replaces_what_was_there(large: Desk) -> None:
    large.model.script = in_turn(["Để mình xem…", search()], [ModelUnavailable("gone")])
    assert await large.ask("bảo hành bao lâu") == large.policies.sentence("model_down", "vi")


async def test_a_round_that_begins_anew_keeps_what_was_said_before_it(large: Desk) -> None:
    large.model.script = in_turn(["Để mình xem…", search()], ["Một nửa", Restarted(), "Dạ."])
    assert await large.ask("bảo hành bao lâu") == "Để mình xem…\n\nDạ."


async def test_calls_of_an_answer_that_began_anew_are_not_made(large: Desk) -> None:
    large.model.script = in_turn([search(), Restarted(), search(number=2)], ["Dạ."])
    await large.ask("bảo hành bao lâu")
    assert [call.id for call in large.model.requests[1].rounds[0].calls] == ["call-2"]


async def test_what_all_rounds_have_cost_is_stored(large: Desk) -> None:
    large.model.script = in_turn([search()], [search()], ["Dạ."])
    await large.ask("bảo hành bao lâu")
    assert await large.rows("SELECT input_tokens, output_tokens FROM turns WHERE role = 'assistant'") == [(30, 60)]


async def test_more_that_is_written_during_a_round_joins_the_turn(large: Desk) -> None:
    gate = asyncio.Event()
    large.model.script = lambda request: ["Dạ."] if len(request.messages[-1].text) > 9 else [search(), gate]
    await large.write("bảo hành")
    await eventually(lambda: len(large.model.requests) == 1)
    await large.write("túi xách thì sao")
    await large.answered()
    await shown(large, "Dạ.")
    assert large.model.requests[-1].rounds == ()
    assert "túi xách" in large.model.requests[-1].messages[-1].text


async def test_a_model_for_whom_nothing_was_found_is_told_so_behind_the_history(large: Desk) -> None:
    for text in ("xyzzy qwerty", "phí đổi trả là bao nhiêu"):
        await large.ask(text)
    nothing, something = large.model.requests
    assert "No section of the policies was found" in nothing.context
    assert "offer a person" in nothing.context
    assert "No section of the policies was found" not in something.context
    assert nothing.system == something.system


@pytest.mark.parametrize(
    ("question", "language", "name"),
    [("How long is the warranty for a bag?", "en", "English"), ("bảo hành túi xách bao lâu", "vi", "Vietnamese")],
)
async def test_the_language_of_the_answer_is_the_customers_whatever_the_policies_are_in(
    tmp_path: Path, question: str, language: str, name: str
) -> None:
    other = {"en": "vi", "vi": "en"}[language]
    prompts = shutil.copytree(PROMPTS, tmp_path / "prompts")
    shutil.rmtree(prompts / "policies" / language)
    shutil.rmtree(prompts / "tests")
    async with opened(tmp_path, LARGE, prompts=prompts, language=other) as desk:
        target = next(one.id for one in desk.policies.prompts.sections if one.policy == f"{other}/warranty")
        words = {"en": "thời hạn bảo hành", "vi": "warranty period"}[language]
        desk.model.script = in_turn([search(words, language=other)], ["Six / sáu.", Cited(target)])
        answer = await desk.ask(question, language=other)
        first, last = desk.model.requests
        assert first.language == language
        assert f"as far as the program can tell: {name}." in first.context
        assert "whatever language the policies are in" in first.context
        assert any(one.section_id.startswith(f"{other}/warranty") for one in last.known.values())
        assert desk.policies.sentence("source_label", language) in answer


@pytest.mark.parametrize("limits", [LIMITS, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("question", "language", "person"),
    [
        ("hôm nay thời tiết thế nào", "vi", "gọi hotline 1900 0000"),
        ("hom nay thoi tiet the nao", "vi", "gọi hotline 1900 0000"),
        ("Who won the world cup?", "en", "call our staff on 1900 0000"),
    ],
)
async def test_offline_says_that_it_found_nothing_and_names_a_person(
    tmp_path: Path, limits: EngineLimits, question: str, language: str, person: str
) -> None:
    async with opened(tmp_path, limits, is_offline=True) as desk:
        answer = await desk.ask(question)
        assert answer == desk.policies.sentence("offline_nothing", language)
        assert person in answer


@pytest.mark.parametrize("limits", [LIMITS, LARGE], ids=["small", "large"])
async def test_offline_quotes_what_was_found_in_a_shop_of_any_size(tmp_path: Path, limits: EngineLimits) -> None:
    async with opened(tmp_path, limits, is_offline=True) as desk:
        assert "Nguồn: [Đổi trả hàng › Phí đổi trả" in await desk.ask("phí đổi trả là bao nhiêu")

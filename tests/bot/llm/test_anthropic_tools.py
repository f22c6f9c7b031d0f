"""Tools over the real wire: what the model is told of them, what it calls, and what goes back to it."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.chat import Source
from bot.errors import ModelUnavailable
from bot.llm.anthropic.blocks import Blocks
from bot.llm.anthropic.model import AnthropicModel
from bot.llm.anthropic.request import BodyEncoder, build_body
from bot.llm.base import (
    Cited,
    Finished,
    ModelEvent,
    ModelMessage,
    ModelRequest,
    TextDelta,
    ToolCall,
    ToolResult,
    ToolRound,
    ToolSpec,
)
from bot.llm.calls import MAX_ARGUMENTS, MAX_CALLS
from tests.bot.llm.conftest import RETURNS, SHIPPING, Connect
from tests.servers.anthropic import AnthropicServer, Cite, Say, Step, Stop, Think, UseTool
from tests.servers.anthropic.rules import check_body
from tests.servers.anthropic.script import results_of

SEARCH = ToolSpec("search_policies", "Searches.", {"type": "object", "properties": {"query": {"type": "string"}}})
WARRANTY = Source("vi/warranty#time", "Bảo hành", "Thời hạn", "Bảo hành 6 tháng.")


@pytest.fixture
def asking(question: ModelRequest) -> ModelRequest:
    return replace(question, sections=(), found=(RETURNS,), tools=(SEARCH,))


async def collect(model: AnthropicModel, request: ModelRequest) -> list[ModelEvent]:
    return [event async for event in model.stream(request)]


def followed(request: ModelRequest, events: list[ModelEvent], **result: Any) -> ModelRequest:
    """The request that is made when the calls of a stream have their results."""
    calls = tuple(event for event in events if isinstance(event, ToolCall))
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    finished = events[-1]
    assert isinstance(finished, Finished)
    given = {"text": "Here.", **result}
    results = tuple(ToolResult(call.id, **(given if call is calls[0] else {"text": "No."})) for call in calls)
    return replace(request, rounds=(*request.rounds, ToolRound(text, calls, results, finished.said)))


def in_turn(*answers: list[Step]) -> Callable[[Any], list[Step]]:
    """An answer for each number of results that the request holds."""
    return lambda body: answers[sum(bool(results_of(message)) for message in body["messages"])]


async def test_a_call_comes_with_its_arguments_and_the_stream_waits_for_its_result(
    server: AnthropicServer, connect: Connect, asking: ModelRequest
) -> None:
    server.answer([UseTool("search_policies", {"query": "phí ship 🙂"}, id="toolu_1")])
    events = await collect(connect(), asking)
    assert [event for event in events if isinstance(event, ToolCall)] == [
        ToolCall("toolu_1", "search_policies", {"query": "phí ship 🙂"})
    ]
    assert isinstance(events[-1], Finished)
    assert events[-1].stop_reason == "tools"


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5"])
async def test_thoughts_words_and_citations_before_a_call_go_back_untouched(
    server: AnthropicServer, connect: Connect, asking: ModelRequest, model: str
) -> None:
    before: list[Step] = [
        Think("Which one? 🙂"),
        Say("Để mình xem. "),
        Cite(RETURNS.section_id),
        Say("Một chút ạ."),
        Think(),
        UseTool("search_policies", {"query": "bảo hành"}),
    ]
    server.answer(in_turn(before, [Say("Sáu tháng ạ."), Cite(WARRANTY.section_id), Cite("made#up")]))
    claude = connect(model=model)
    first = await collect(claude, asking)
    second = await collect(claude, followed(asking, first, sections=(WARRANTY,)))
    assert [call.status for call in server.calls] == [200, 200]
    assert [event for event in second if isinstance(event, Cited)] == [Cited(WARRANTY.section_id)]
    assert "".join(event.text for event in second if isinstance(event, TextDelta)) == "Sáu tháng ạ."
    said, result = server.calls[1].body["messages"][-2:]
    assert [block["type"] for block in said["content"]] == ["thinking", "text", "text", "thinking", "tool_use"]
    assert [block["type"] for block in result["content"][0]["content"]] == ["search_result", "text"]


async def test_another_model_takes_over_without_the_thoughts_that_are_not_its_own(
    server: AnthropicServer, connect: Connect, asking: ModelRequest
) -> None:
    call = UseTool("search_policies", {"query": "phí"})
    server.answer(in_turn([Think("Hm."), Say("Chờ mình nhé."), call], [Say("Miễn phí ạ.")]))
    first = await collect(connect(), asking)
    await collect(connect(model="claude-sonnet-5-5"), followed(asking, first))
    assert [block["type"] for block in server.calls[1].body["messages"][-2]["content"]] == ["text", "tool_use"]


async def test_the_start_is_the_same_to_the_byte_from_turn_to_turn_and_is_read_from_the_cache(
    server: AnthropicServer, connect: Connect, asking: ModelRequest
) -> None:
    server.answer("Bảy ngày ạ.")
    claude, turns = connect(), []
    first = replace(asking, system="Be kind. " * 400)
    messages: tuple[ModelMessage, ...] = ()
    for number, found in enumerate([(RETURNS,), (SHIPPING, WARRANTY), ()]):
        messages = (*messages, ModelMessage("user", f"question {number}"))
        turns.append(await collect(claude, replace(first, messages=messages, found=found, context=f"{number}")))
        messages = (*messages, ModelMessage("assistant", "Bảy ngày ạ."))
    whole = [without_marks(call.body) for call in server.calls]
    starts = [text[: text.index(f"question {number}") + 10] for number, text in enumerate(whole)]
    assert whole[1].startswith(starts[0])
    assert whole[2].startswith(starts[1])
    for call in server.calls:
        asked = call.body["messages"][-1]["content"]
        assert "cache_control" in call.body["system"][-1]
        assert ["cache_control" in block for block in asked] == [True] + [False] * (len(asked) - 1)
    usage = [events[-1].usage for events in turns if isinstance(events[-1], Finished)]
    assert usage[1].cache_read_tokens == usage[0].cache_write_tokens > 800
    assert usage[2].cache_read_tokens > usage[1].cache_read_tokens


def without_marks(body: dict[str, Any]) -> str:
    """A body's cached parts in their order, without the marks of the cache, which are no part of what is cached."""
    text = json.dumps([body["tools"], body["system"], body["messages"]], ensure_ascii=False)
    return text.replace(', "cache_control": {"type": "ephemeral"}', "")


@pytest.mark.parametrize(
    "written",
    ["{", '{"query": NaN}', "[1]", '"text"', "null", "1e999", '{"query": "\\ud83d"}', "[" * 20_000, "9" * 5000],
    ids=range(9),
)
async def test_arguments_that_are_no_json_object_are_none_and_can_be_answered(
    server: AnthropicServer, connect: Connect, asking: ModelRequest, written: str
) -> None:
    server.answer(in_turn([UseTool("search_policies", written=written)], [Say("Không có ạ.")]))
    claude = connect()
    events = await collect(claude, asking)
    assert [event.arguments for event in events if isinstance(event, ToolCall)] == [None]
    await collect(claude, followed(asking, events, text="No JSON.", is_error=True))
    assert [call.status for call in server.calls] == [200, 200]


async def test_no_arguments_at_all_are_an_empty_object(
    server: AnthropicServer, connect: Connect, asking: ModelRequest
) -> None:
    server.answer([UseTool("search_policies", written="")])
    assert [e.arguments for e in await collect(connect(), asking) if isinstance(e, ToolCall)] == [{}]


async def test_arguments_of_a_megabyte_are_not_kept(
    server: AnthropicServer, connect: Connect, asking: ModelRequest
) -> None:
    server.answer([UseTool("search_policies", written=json.dumps({"query": "x" * 16 * MAX_ARGUMENTS}))])
    events = await collect(connect(), asking)
    assert [event.arguments for event in events if isinstance(event, ToolCall)] == [None]
    assert len(repr(events)) < 1000


@pytest.mark.parametrize(
    "steps",
    [
        [UseTool("search_policies", id="toolu_1"), UseTool("search_policies", id="toolu_1")],
        [UseTool("search policies")],
        [UseTool("x" * 129)],
        [UseTool("search_policies", id="no id")],
        [UseTool("search_policies")] * (MAX_CALLS + 1),
        [Stop("tool_use")],
        [Say("Chờ chút."), Stop("tool_use")],
        [Say("Chờ chút."), Stop("pause_turn")],
        [UseTool("search_policies"), Stop("end_turn")],
    ],
    ids=range(9),
)
async def test_calls_that_have_no_answer_are_a_failure(
    server: AnthropicServer, connect: Connect, asking: ModelRequest, steps: list[Step]
) -> None:
    server.answer(steps)
    with pytest.raises(ModelUnavailable):
        await collect(connect(), asking)


async def test_a_model_that_may_call_no_more_is_told_so_and_fails_when_it_does(
    server: AnthropicServer, connect: Connect, asking: ModelRequest
) -> None:
    server.answer([UseTool("search_policies")])
    with pytest.raises(ModelUnavailable):
        await collect(connect(), replace(asking, may_call=False))
    assert server.calls[0].body["tool_choice"] == {"type": "none"}
    assert server.calls[0].body["tools"][0]["name"] == "search_policies"


async def test_a_call_where_no_tool_was_offered_is_a_failure(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer([Say("Chờ chút."), UseTool("search_policies")])
    with pytest.raises(ModelUnavailable):
        await collect(connect(), question)


@pytest.mark.parametrize("sections", [(), (RETURNS,)], ids=["found only", "with sections"])
def test_the_bytes_that_are_sent_are_the_body_whatever_the_model_wrote(
    asking: ModelRequest, sections: tuple[Source, ...]
) -> None:
    trap = {"sections": "here"}
    calls = (ToolCall("a", "search_policies", trap), ToolCall("b", "search_policies", None))
    results = (ToolResult("a", "", (SHIPPING,)), ToolResult("b", "No.", is_error=True))
    tool = replace(SEARCH, parameters={"type": "object", "properties": {}, "default": trap})
    one = ToolRound('{"sections":"here"}', calls, results)
    request = replace(asking, sections=sections, tools=(tool,), rounds=(one,))
    body = build_body("claude-haiku-5-5", request)
    check_body(body)
    assert json.loads(BodyEncoder("claude-haiku-5-5").encode(request).whole()) == {**body, "stream": True}
    assert list(request.known) == [RETURNS.section_id, SHIPPING.section_id]


def test_characters_that_came_in_halves_go_back_whole() -> None:
    blocks = Blocks()
    for kind, name in (("text", "text_delta"), ("thinking", "thinking_delta")):
        blocks.start({"type": kind, kind: ""})
        for half in ("a\ud83d", "\ude42\ud83d"):
            blocks.delta({"type": name, kind: half})
        blocks.stop()
    blocks.start({"type": "tool_use", "id": "t", "name": "n", "input": {}})
    for half in ('{"q": "\ud83d', '\ude42"}'):
        blocks.delta({"type": "input_json_delta", "partial_json": half})
    assert blocks.stop() == ToolCall("t", "n", {"q": "🙂"})
    assert [block.get("text", block.get("thinking")) for block in blocks.said("m").blocks] == ["a🙂\ufffd"] * 2 + [None]

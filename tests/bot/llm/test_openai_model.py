"""The OpenAI-compatible door over the real wire: what is yielded, and which error every fault becomes."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from bot.errors import KeyRefused, ModelError, ModelRefused, ModelRejected, ModelUnavailable, SettingsError
from bot.llm.base import (
    Cited,
    Finished,
    Image,
    ModelEvent,
    ModelMessage,
    ModelRequest,
    TextDelta,
    ToolCall,
    ToolResult,
    ToolRound,
    ToolSpec,
)
from bot.llm.openai_compatible.model import OPENAI, OpenAIModel
from bot.llm.openai_compatible.request import THINKING_ROOM
from tests.bot.llm.conftest import RETURNS, SHIPPING
from tests.servers.anthropic.script import FaultKind, pieces
from tests.servers.openai import Fault, OpenAIServer, Pause, Say, Step, Stop, Think, UseTool

WORDS = "One two three four five six seven eight nine ten."
SEARCH = ToolSpec("search_policies", "Searches.", {"type": "object", "properties": {"query": {"type": "string"}}})

Connect = Callable[..., OpenAIModel]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


@pytest.fixture
async def connect(server: OpenAIServer) -> AsyncIterator[Connect]:
    models: list[OpenAIModel] = []

    def make(at: OpenAIServer = server, **changes: Any) -> OpenAIModel:
        of_endpoint = {"base_url", "auth", "headers", "conversation_header", "key_setting"}
        place: dict[str, Any] = {"base_url": at.url} | {
            name: changes.pop(name) for name in of_endpoint & changes.keys()
        }
        if not at.keys:
            place["key_setting"] = ""
        settings: dict[str, Any] = {"model": "gpt-4.1-mini", "api_key": at.api_key, **changes}
        models.append(OpenAIModel(endpoint=replace(OPENAI, **place), **settings))
        return models[-1]

    yield make
    for model in models:
        await model.close()


async def collect(model: OpenAIModel, request: ModelRequest) -> list[ModelEvent]:
    return [event async for event in model.stream(request)]


async def until_error(model: OpenAIModel, request: ModelRequest) -> tuple[str, ModelError]:
    text = ""
    try:
        async for event in model.stream(request):
            assert not isinstance(event, Finished)
            text += event.text if isinstance(event, TextDelta) else ""
    except ModelError as error:
        return text, error
    raise AssertionError("the stream ended without an error and without its end")


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def finished(events: list[ModelEvent]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


@pytest.mark.parametrize("behind", ["", "/", "/chat/completions", " ", None])
async def test_the_base_url_is_taken_as_meant(
    server: OpenAIServer, connect: Connect, question: ModelRequest, behind: str | None
) -> None:
    server.answer(WORDS)
    url = server.url.removesuffix("/v1") if behind is None else server.url + behind
    assert text_of(await collect(connect(base_url=url), question)) == WORDS
    assert server.calls[-1].path == "/v1/chat/completions"


async def test_numbers_of_sections_become_citations_and_are_not_shown(
    server: OpenAIServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer("Seven days [1]. Thirty thousand [2][9], see `a[1]`.")
    for piece in (1, 3, 8, 100):
        server.piece = piece
        events = await collect(connect(), question)
        assert text_of(events) == "Seven days. Thirty thousand, see `a[1]`."
        cited = [event.section_id for event in events if isinstance(event, Cited)]
        assert cited == [RETURNS.section_id, SHIPPING.section_id]
        assert all("[1" not in event.text or "`" in event.text for event in events if isinstance(event, TextDelta))
    system = server.calls[0].body["messages"][0]["content"]
    assert "[1] Returns: How long\nYou may return goods within 7 days." in system


async def test_usage_tells_what_was_read_from_the_cache_and_the_start_is_the_same_from_turn_to_turn(
    server: OpenAIServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer(WORDS)
    model, first = connect(), replace(question, system="Be kind. " * 400, tools=(SEARCH,))
    messages: tuple[ModelMessage, ...] = ()
    usages = []
    for number in range(3):
        messages = (*messages, ModelMessage("user", f"question {number}"))
        request = replace(first, messages=messages, context=f"It is {number}.", found=(SHIPPING,) * (number % 2))
        usages.append(finished(await collect(model, request)).usage)
        messages = (*messages, ModelMessage("assistant", WORDS))
    raw = [call.raw.decode() for call in server.calls]
    starts = [text[: text.index(f"question {number}") + len("question 0")] for number, text in enumerate(raw)]
    assert raw[1].startswith(starts[0])
    assert raw[2].startswith(starts[1])
    assert [usage.cache_read_tokens > 800 for usage in usages] == [False, True, True]
    assert all(usage.input_tokens > 0 and usage.output_tokens > 1 for usage in usages)


async def test_a_picture_goes_along_as_data_and_one_that_would_be_refused_is_named(
    server: OpenAIServer, connect: Connect
) -> None:
    images = (Image("image/png", b"\x89PNG\r\n\x1a\n" + bytes(9)), Image("image/heic", b"x"))
    request = ModelRequest(system="", messages=(ModelMessage("user", "What is it?", images),), context="now")
    await collect(connect(), request)
    (message,) = server.calls[0].body["messages"]
    assert [part["type"] for part in message["content"]] == ["image_url", "text", "text"]
    assert message["content"][0]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert message["content"][2]["text"] == "What is it?\n\nnow"


async def test_thoughts_never_show_and_from_then_on_there_is_room_for_them(
    server: OpenAIServer, connect: Connect, question: ModelRequest
) -> None:
    model = connect(model="deepseek-v4")
    answers: tuple[list[Step], ...] = (
        [Think("secret plan"), Say("Hello")],
        [Say("<think>secret</think>\n\nHello")],
        [Say("<b> Hello")],
    )
    for steps in answers:
        server.answer(steps)
        assert text_of(await collect(model, question)).removeprefix("<b> ") == "Hello"
    asked = [call.body["max_tokens"] for call in server.calls]
    assert asked == [question.max_tokens, *[question.max_tokens + THINKING_ROOM] * 2]


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (Fault("http", 400, message="messages: bad"), ModelRejected, "messages: bad"),
        (Fault("http", 401), KeyRefused, "OPENAI_API_KEY"),
        (Fault("http", 402), KeyRefused, "billing"),
        (Fault("http", 403), KeyRefused, "permissions"),
        (Fault("http", 404), ModelUnavailable, "OPENAI_BASE_URL"),
        (Fault("http", 404, message="model 'x' not found"), ModelUnavailable, "SHOPDESK_MODEL"),
        (Fault("http", 400, message="Model Not Exist"), ModelUnavailable, "SHOPDESK_MODEL"),
        (Fault("http", 413), ModelRejected, "too large"),
        (Fault("http", 422, message="bad"), ModelRejected, "422"),
        (Fault("http", 429, retry_after="7"), KeyRefused, "429"),
        (Fault("http", 429, message="You exceeded your current quota"), KeyRefused, "billing"),
        (Fault("http", 500), ModelUnavailable, "500"),
        (Fault("http", 503), ModelUnavailable, "503"),
        (Fault("html", 200), ModelUnavailable, "OPENAI_BASE_URL"),
        (Fault("html", 403), ModelUnavailable, "OPENAI_BASE_URL"),
        (Fault("html", 502), ModelUnavailable, "502"),
        (Fault("json_body"), ModelUnavailable, "not streamed"),
        (Fault("reset", after=-1), ModelUnavailable, "connection"),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
async def test_a_fault_before_the_first_word(
    server: OpenAIServer,
    connect: Connect,
    question: ModelRequest,
    fault: Fault,
    error: type[ModelError],
    says: str,
) -> None:
    server.fault(replace(fault, error_type=""))
    text, raised = await until_error(connect(), question)
    assert text == ""
    assert type(raised) is error
    assert says in str(raised)
    assert len(server.calls) == 1, "a model does not try again by itself"


@pytest.mark.parametrize("kind", ["reset", "eof", "cut", "bad_json", "sse_error", "stall", "pings"])
async def test_a_fault_at_any_delta_is_an_error_and_never_an_end(
    server: OpenAIServer, connect: Connect, question: ModelRequest, kind: FaultKind
) -> None:
    server.answer(WORDS)
    waits = kind in ("stall", "pings")
    model = connect(read_timeout=0.3, silence=0.3) if waits else connect()
    sent = list(pieces(WORDS, server.piece))
    for after in (0, 1, len(sent) - 1, None) if waits else (*range(len(sent) + 1), None):
        server.heal()
        server.fault(Fault(kind, after=after))
        text, raised = await until_error(model, question)
        assert type(raised) is ModelUnavailable
        expected = "".join(sent[:after])
        assert expected.startswith(text)
        # A reset may overtake what was sent just before it; a last space is held back, since a mark may follow it.
        assert text == expected.rstrip() or text == expected or kind == "reset"


@pytest.mark.parametrize("how", ["no_usage"])
async def test_an_answer_that_ended_is_whole_though_nothing_comes_behind_it(
    server: OpenAIServer, connect: Connect, question: ModelRequest, how: FaultKind
) -> None:
    server.answer(WORDS)
    server.fault(Fault(how, after=None))
    assert text_of(await collect(connect(), question)) == WORDS


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("rate_limit_exceeded", KeyRefused),
        ("insufficient_quota", KeyRefused),
        ("invalid_request_error", ModelRejected),
        ("server_error", ModelUnavailable),
    ],
)
async def test_an_error_in_the_stream_says_whether_another_key_may_help(
    server: OpenAIServer, connect: Connect, question: ModelRequest, kind: str, error: type[ModelError]
) -> None:
    server.fault(Fault("sse_error", error_type=kind, message=f"bad {server.api_key}"))
    _, raised = await until_error(connect(), question)
    assert type(raised) is error
    assert server.api_key not in str(raised)


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ((Stop("content_filter"),), ModelRefused),
        ((Say("I "), Stop("content_filter")), ModelRefused),
        ((), ModelUnavailable),
        ((Think("hm"),), ModelUnavailable),
        ((Say("<think>only"),), ModelUnavailable),
        ((Say(WORDS), Stop("tomorrow")), ModelUnavailable),
        ((Say(WORDS), Stop("tool_calls")), ModelUnavailable),
        ((UseTool("search_policies"),), ModelUnavailable),
        ((Think("all of it"), Stop("length")), ModelUnavailable),
    ],
)
async def test_an_answer_that_is_none(
    server: OpenAIServer,
    connect: Connect,
    question: ModelRequest,
    steps: tuple[Step, ...],
    error: type[ModelError],
) -> None:
    server.answer(steps)
    _, raised = await until_error(connect(), question)
    assert isinstance(raised, error)


async def test_an_answer_cut_by_its_limit_says_so(
    server: OpenAIServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer((Say(WORDS), Stop("length")))
    assert finished(await collect(connect(), question)).stop_reason == "max_tokens"


async def test_calls_come_with_their_arguments_and_their_results_go_back(
    server: OpenAIServer, connect: Connect, question: ModelRequest
) -> None:
    calls = [UseTool("search_policies", {"query": "phí ship 🙂"}), UseTool("search_policies", written="{")]
    server.answer(
        lambda body: (
            [Say("Sáu tháng [3]. [1]")]
            if body["messages"][-1]["role"] == "tool"
            else [Think("Which one?"), Say("Để mình xem."), *calls]
        )
    )
    model, asking = connect(), replace(question, tools=(SEARCH,))
    first = await collect(model, asking)
    made = tuple(event for event in first if isinstance(event, ToolCall))
    assert [call.arguments for call in made] == [{"query": "phí ship 🙂"}, None]
    end = finished(first)
    assert end.stop_reason == "tools"
    later = replace(RETURNS, section_id="vi/warranty#time")
    results = (ToolResult(made[0].id, "", (later,)), ToolResult(made[1].id, "No JSON.", is_error=True))
    rounds = (ToolRound(text_of(first), made, results, end.said),)
    second = await collect(model, replace(asking, rounds=rounds, may_call=False))
    assert [call.status for call in server.calls] == [200, 200]
    assert text_of(second) == "Sáu tháng."
    assert [e.section_id for e in second if isinstance(e, Cited)] == ["vi/warranty#time", RETURNS.section_id]
    assert server.calls[1].body["tool_choice"] == "none"
    said = next(message for message in server.calls[1].body["messages"] if "tool_calls" in message)
    assert said["reasoning_content"] == "Which one?"
    other = connect(model="deepseek-v4")
    await collect(other, replace(asking, rounds=rounds))
    assert not any("reasoning_content" in message for message in server.calls[2].body["messages"])


async def test_a_server_as_small_as_ollama_is_learned_once(connect: Connect, question: ModelRequest) -> None:
    async with OpenAIServer.ollama() as small:
        small.answer(WORDS)
        model = connect(small, model="llama3.2")
        asking = replace(question, tools=(SEARCH,))
        for _ in range(3):
            events = await collect(model, asking)
            assert text_of(events) == WORDS
        assert [call.status for call in small.calls] == [400, 400, 200, 200, 200]
        assert not {"stream_options", "tools"} & set(small.calls[-1].body)
        assert finished(events).usage.output_tokens == 0, "it told nothing of usage"


async def test_a_number_is_dropped_also_when_nothing_was_found(
    server: OpenAIServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer("I do not know [1].")
    nothing = replace(question, sections=(), tools=(SEARCH,))
    assert text_of(await collect(connect(), nothing)) == "I do not know."
    server.answer("Item [1].")
    assert text_of(await collect(connect(), replace(question, sections=()))) == "Item [1]."


async def test_no_part_of_a_key_that_an_endpoint_repeats_is_shown(
    server: OpenAIServer, connect: Connect, question: ModelRequest
) -> None:
    server.fault(
        Fault("http", 401, message="Incorrect API key provided: sk-te*****one. You can find it", error_type="")
    )
    _, raised = await until_error(connect(), question)
    assert "provided: *** You can" in str(raised)


@pytest.mark.parametrize("unknown", ["system", "max_tokens", "reasoning_effort", "max_completion_tokens"])
async def test_what_an_endpoint_refuses_is_left_out(connect: Connect, question: ModelRequest, unknown: str) -> None:
    async with OpenAIServer(unknown=[unknown]) as other:
        other.answer(WORDS)
        model = connect(other, effort="low")
        for _ in range(2):
            assert text_of(await collect(model, question)) == WORDS
        assert [call.status for call in other.calls].count(200) == 2
        assert other.calls[-1].status == 200
        assert unknown == "system" or unknown not in other.calls[-1].body
        assert "You answer for a shop." in other.calls[-1].body["messages"][0]["content"]


async def test_a_newer_model_gets_its_length_by_the_newer_name_and_little_effort(
    server: OpenAIServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer(WORDS)
    model = connect(model="gpt-5.5-mini")
    for _ in range(2):
        await collect(model, question)
    assert [call.status for call in server.calls] == [400, 200, 200]
    assert server.calls[-1].body["max_completion_tokens"] == question.max_tokens + THINKING_ROOM
    assert server.calls[-1].body["reasoning_effort"] == "low"


async def test_rounds_of_another_model_are_told_in_words_to_one_without_tools(
    connect: Connect, question: ModelRequest
) -> None:
    call = ToolCall("toolu_1", "search_policies", {"query": "x"})
    rounds = (ToolRound("", (call,), (ToolResult("toolu_1", "", (SHIPPING,)),)),)
    async with OpenAIServer.ollama() as small:
        small.answer("Thirty thousand [1].")
        model = connect(small, model="llama3.2")
        request = replace(question, sections=(), tools=(SEARCH,), rounds=rounds)
        events = await collect(model, request)
        assert [event.section_id for event in events if isinstance(event, Cited)] == [SHIPPING.section_id]
        assert small.calls[-1].body["messages"][-1]["content"].endswith("30,000 VND inside the city.")


async def test_headers_and_the_conversation_go_to_a_gateway_that_wants_them(
    server: OpenAIServer, connect: Connect, question: ModelRequest
) -> None:
    model = connect(headers={"x-team": "shop"}, conversation_header="x-session-id")
    for conversation in ("17", ""):
        await collect(model, replace(question, conversation=conversation))
    assert [call.headers.get("x-session-id") for call in server.calls] == ["17", None]
    assert server.calls[0].headers["x-team"] == "shop"


async def test_closing_the_iterator_closes_the_connection(
    server: OpenAIServer, connect: Connect, question: ModelRequest
) -> None:
    server.rate = 50
    server.answer(WORDS * 100)
    async with aclosing(connect().stream(question)) as events:
        assert isinstance(await anext(events), TextDelta)
    await server.until(lambda: server.calls[0].outcome == "disconnected")


async def test_signs_of_life_are_no_answer(server: OpenAIServer, connect: Connect, question: ModelRequest) -> None:
    ticks: Iterator[int] = iter(range(10_000))
    server.answer((Say("Hi"), Pause(0.01), Say(" there")))
    model = connect(silence=1.5, clock=lambda: float(next(ticks)))
    assert text_of(await collect(model, question)) == "Hi there"
    server.fault(Fault("pings", after=1))
    _, raised = await until_error(model, question)
    assert "signs of life" in str(raised)


async def test_a_hundred_streams_at_once_do_not_mix(server: OpenAIServer, connect: Connect) -> None:
    server.answer(lambda body: f"{body['messages'][0]['content']} " * 30)
    server.rate = 200
    model = connect()

    async def one(number: int) -> bool:
        request = ModelRequest(system="", messages=(ModelMessage("user", f"customer-{number}"),))
        events = await collect(model, request)
        return text_of(events) == f"customer-{number} " * 30 and isinstance(events[-1], Finished)

    assert all(await asyncio.gather(*(one(number) for number in range(100))))


async def test_the_models_of_an_endpoint_are_listed(server: OpenAIServer, connect: Connect) -> None:
    assert "gpt-4.1-mini" in await connect().models()
    with pytest.raises(KeyRefused):
        await connect(api_key="wrong").models()


async def test_a_text_that_is_no_unicode_is_rejected_and_not_repeated(connect: Connect) -> None:
    _, raised = await until_error(connect(), ModelRequest(system="", messages=(ModelMessage("user", "a \ud800"),)))
    assert type(raised) is ModelRejected
    assert raised.__cause__ is None


@pytest.mark.parametrize("messages", [(), (ModelMessage("assistant", "Hi"),), (ModelMessage("user", " "),)])
async def test_a_turn_with_nothing_to_answer_is_rejected(
    connect: Connect, question: ModelRequest, messages: tuple[ModelMessage, ...]
) -> None:
    _, raised = await until_error(connect(), dataclasses.replace(question, messages=messages))
    assert "nothing to answer" in str(raised)


@pytest.mark.parametrize(("key", "url"), [("", OPENAI.base_url), ("khóa", OPENAI.base_url), ("k", "http://h:port")])
async def test_a_setting_that_cannot_work_is_named(key: str, url: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_"):
        OpenAIModel(model="m", api_key=key, endpoint=replace(OPENAI, base_url=url))

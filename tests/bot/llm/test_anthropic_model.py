"""The real SDK against the loopback API: what is yielded, and which error every fault becomes."""

import asyncio
import dataclasses
import json
import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from bot.errors import KeyRefused, ModelError, ModelRefused, ModelRejected, ModelUnavailable, SettingsError
from bot.llm.anthropic.model import ANTHROPIC, AnthropicModel
from bot.llm.base import (
    Billed,
    ChatModel,
    Cited,
    Finished,
    Image,
    ModelEvent,
    ModelMessage,
    ModelRequest,
    TextDelta,
    ToolSpec,
)
from tests.bot.llm.conftest import RETURNS, SHIPPING, Connect
from tests.servers.anthropic import AnthropicServer, Cite, Fault, Pause, Say, Step, Stop, Think
from tests.servers.anthropic.script import FaultKind, pieces

WORDS = "One two three four five six seven eight nine ten."


async def collect(model: AnthropicModel, request: ModelRequest) -> list[ModelEvent]:
    return [event async for event in model.stream(request)]


async def until_error(model: AnthropicModel, request: ModelRequest) -> tuple[str, ModelError]:
    """The text that came before the error, and the error."""
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


@pytest.mark.parametrize("behind", ["", "/", "/v1", "/v1/", "/v1/messages", " "])
async def test_the_base_url_is_taken_as_meant(
    server: AnthropicServer, connect: Connect, question: ModelRequest, behind: str
) -> None:
    server.answer(WORDS)
    events = await collect(connect(base_url=server.url + behind), question)
    assert text_of(events) == WORDS
    assert isinstance(events[-1], Finished)
    assert server.calls[-1].path == "/v1/messages"


async def test_text_citations_and_usage_arrive_in_order(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer((Say("Seven days."), Cite(RETURNS.section_id), Cite("no/such#section"), Say(" Bye.")))
    events = await collect(connect(), question)
    assert text_of(events) == "Seven days. Bye."
    assert [event for event in events if isinstance(event, Cited)] == [Cited(RETURNS.section_id)]
    assert isinstance(events[-1], Finished)
    assert events[-1].model == "claude-haiku-5-5"
    assert events[-1].usage.input_tokens > 0
    assert events[-1].usage.output_tokens > 1


async def test_the_second_turn_reads_the_first_from_the_prompt_cache(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer(WORDS)
    model = connect()
    first = dataclasses.replace(question, system="Be kind. " * 400)
    followed = (*first.messages, ModelMessage("assistant", WORDS), ModelMessage("user", "And then?"))
    second = dataclasses.replace(first, messages=followed, context="It is Saturday.")
    usage = [events[-1].usage for events in [await collect(model, turn) for turn in (first, second)]]  # type: ignore[union-attr]
    assert usage[0].cache_write_tokens > 800
    assert usage[0].cache_read_tokens == 0
    assert usage[1].cache_read_tokens == usage[0].cache_write_tokens
    assert usage[1].cache_write_tokens < 60


async def test_thinking_never_shows(server: AnthropicServer, connect: Connect, question: ModelRequest) -> None:
    server.answer((Think("secret plan"), Say("Hello"), Think(), Say(" there")))
    assert text_of(await collect(connect(), question)) == "Hello there"


async def test_a_picture_reaches_the_model(server: AnthropicServer, connect: Connect) -> None:
    picture = Image("image/png", b"\x89PNG\r\n\x1a\n" + bytes(9))
    request = ModelRequest(system="", messages=(ModelMessage("user", "What is it?", (picture,)),))
    server.answer(WORDS)
    await collect(connect(), request)
    assert server.calls[0].body["messages"][0]["content"][0]["type"] == "image"


@pytest.mark.parametrize(
    "model", ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5"]
)
async def test_every_model_family_accepts_its_request(
    server: AnthropicServer, connect: Connect, question: ModelRequest, model: str
) -> None:
    server.answer(WORDS)
    assert text_of(await collect(connect(model=model), question)) == WORDS
    assert [call.status for call in server.calls] == [200]


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (Fault("http", 400, message="messages: bad"), ModelRejected, "messages: bad"),
        (Fault("http", 400, message="Your credit balance is too low to access the API"), KeyRefused, "billing"),
        (Fault("http", 401), KeyRefused, "ANTHROPIC_API_KEY"),
        (Fault("http", 402), KeyRefused, "billing"),
        (Fault("http", 403), KeyRefused, "permissions"),
        (Fault("http", 404), ModelUnavailable, "ANTHROPIC_BASE_URL"),
        (Fault("http", 404, message="model: claude-x"), ModelUnavailable, "SHOPDESK_MODEL"),
        (Fault("http", 413), ModelRejected, "too large"),
        (Fault("http", 405), ModelUnavailable, "ANTHROPIC_BASE_URL"),
        (Fault("http", 418), ModelRejected, "418"),
        (Fault("http", 408), ModelUnavailable, "408"),
        (Fault("http", 409), ModelUnavailable, "409"),
        (Fault("http", 429), KeyRefused, "429"),
        (Fault("http", 500), ModelUnavailable, "500"),
        (Fault("http", 503), ModelUnavailable, "503"),
        (Fault("http", 529), ModelUnavailable, "529"),
        (Fault("html", 200), ModelUnavailable, "ANTHROPIC_BASE_URL"),
        (Fault("html", 403), ModelUnavailable, "ANTHROPIC_BASE_URL"),
        (Fault("html", 404), ModelUnavailable, "ANTHROPIC_BASE_URL"),
        (Fault("html", 502), ModelUnavailable, "502"),
        (Fault("json_body"), ModelUnavailable, "ANTHROPIC_BASE_URL"),
        (Fault("reset", after=-1), ModelUnavailable, "connection"),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
async def test_a_fault_before_the_first_word(
    server: AnthropicServer,
    connect: Connect,
    question: ModelRequest,
    fault: Fault,
    error: type[ModelError],
    says: str,
) -> None:
    server.fault(fault)
    text, raised = await until_error(connect(), question)
    assert text == ""
    assert type(raised) is error
    assert says in str(raised)
    assert len(server.calls) == 1, "a model does not try again by itself"


@pytest.mark.parametrize("kind", ["reset", "eof", "cut", "bad_json", "sse_error", "stall", "pings", "no_usage"])
async def test_a_fault_at_any_delta_is_an_error_and_never_an_end(
    server: AnthropicServer, connect: Connect, question: ModelRequest, kind: FaultKind
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
        expected = WORDS if kind == "no_usage" else "".join(sent[:after])
        assert expected.startswith(text)
        # A reset may overtake what was sent just before it.
        assert text == expected or kind == "reset"


async def test_a_first_byte_that_does_not_come_is_unavailable(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.fault(Fault("slow", seconds=-1))
    _, raised = await until_error(connect(read_timeout=0.1), question)
    assert type(raised) is ModelUnavailable
    assert "in time" in str(raised)


async def test_pings_do_not_count_as_life_and_the_time_to_read_an_event_does_not_count_as_silence(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    ticks = count()
    server.answer((Say("Hi"), Pause(0.01), Say(" there")))
    events = await collect(connect(silence=1.5, clock=lambda: float(next(ticks))), question)
    assert text_of(events) == "Hi there"
    server.fault(Fault("pings", after=1))
    _, raised = await until_error(connect(silence=1.5, clock=lambda: float(next(ticks))), question)
    assert "pings" in str(raised)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("1000000", 1e6),
        ("-3", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (None, None),
    ],
)
async def test_retry_after_is_handed_on_and_never_slept(
    server: AnthropicServer, connect: Connect, question: ModelRequest, header: str | None, seconds: float | None
) -> None:
    server.fault(Fault("http", 429, retry_after=header))
    _, raised = await until_error(connect(), question)
    assert isinstance(raised, ModelUnavailable)
    assert raised.retry_after == seconds


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ((Stop("refusal"),), ModelRefused),
        ((Say("I "), Stop("refusal")), ModelRefused),
        ((), ModelUnavailable),
        ((Think("hm"),), ModelUnavailable),
        ((Say(WORDS), Stop("pause_turn")), ModelUnavailable),
        ((Say(WORDS), Stop("tool_use")), ModelUnavailable),
        ((Think("all of it"), Stop("max_tokens")), ModelUnavailable),
    ],
)
async def test_an_answer_that_is_none(
    server: AnthropicServer,
    connect: Connect,
    question: ModelRequest,
    steps: tuple[Step, ...],
    error: type[ModelError],
) -> None:
    server.answer(steps)
    _, raised = await until_error(connect(), question)
    assert type(raised) is error


async def test_an_answer_cut_by_its_limit_says_so(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer((Say(WORDS), Stop("max_tokens")))
    finished = (await collect(connect(), question))[-1]
    assert isinstance(finished, Finished)
    assert finished.stop_reason == "max_tokens"


async def test_nothing_listening_and_an_unknown_host_are_unavailable(question: ModelRequest) -> None:
    for url in ("http://127.0.0.1:9", "http://nobody.invalid"):
        model = AnthropicModel(model="claude-haiku-5-5", api_key="k", endpoint=replace(ANTHROPIC, base_url=url))
        _, raised = await until_error(model, question)
        assert type(raised) is ModelUnavailable
        await model.close()


async def test_an_older_gateway_is_learned_once(connect: Connect, question: ModelRequest) -> None:
    async with AnthropicServer(older=True) as gateway:
        gateway.answer(WORDS)
        model = connect(base_url=gateway.url, api_key=gateway.api_key)
        for _ in range(3):
            assert text_of(await collect(model, question)) == WORDS
        assert [call.status for call in gateway.calls] == [400, 200, 200, 200]
        assert "output_config" not in gateway.calls[-1].body
        assert gateway.calls[-1].body["thinking"] == {"type": "disabled"}, "nobody complained of it"


async def test_a_gateway_of_2023_is_learned_once_and_its_sections_are_cited_by_number(
    connect: Connect, question: ModelRequest
) -> None:
    async with AnthropicServer(of_2023=True) as gateway:
        gateway.answer("Seven days [1]. Thirty thousand [2][9].")
        model = connect(base_url=gateway.url, api_key=gateway.api_key)
        for _ in range(3):
            events = await collect(model, question)
            assert text_of(events) == "Seven days. Thirty thousand."
            cited = [event.section_id for event in events if isinstance(event, Cited)]
            assert cited == [RETURNS.section_id, SHIPPING.section_id]
        statuses = [call.status for call in gateway.calls]
        assert statuses[-3:] == [200, 200, 200]
        assert set(statuses[:-3]) == {400, 401}
        assert gateway.calls[-1].headers["anthropic-version"] == "2023-06-01"
        assert "[2] Shipping: Fees" in gateway.calls[-1].body["messages"][0]["content"][0]["text"]


async def test_with_x_api_key_the_older_version_is_spoken_from_the_start(
    connect: Connect, question: ModelRequest
) -> None:
    async with AnthropicServer(of_2023=True) as gateway:
        gateway.answer(WORDS)
        model = connect(base_url=gateway.url, api_key=gateway.api_key, auth="x-api-key", model="claude-haiku-4-5")
        await collect(model, replace(question, sections=()))
        assert [call.status for call in gateway.calls] == [400, 200], "only the marks of the cache are not known"


async def test_what_a_complaint_only_seems_to_name_is_not_left_out_for_good(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer(WORDS)
    server.fault(Fault("http", 400, message="bad words: 'thinking about search_result'", times=3))
    model = connect()
    _, raised = await until_error(model, question)
    assert type(raised) is ModelRejected
    await collect(model, question)
    assert server.calls[-1].body["thinking"] == {"type": "disabled"}
    assert "search_result" in str(server.calls[-1].body["messages"][0])


async def test_effort_and_thinking_can_be_chosen(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer(WORDS)
    await collect(connect(effort="high", thinking="adaptive"), question)
    await collect(connect(effort="max"), question)
    sent = [(call.body["output_config"], call.body.get("thinking")) for call in server.calls]
    assert sent == [({"effort": "high"}, {"type": "adaptive"}), ({"effort": "max"}, None)]
    assert {call.status for call in server.calls} == {200}


async def test_headers_and_the_conversation_go_to_a_gateway_that_wants_them(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer(WORDS)
    model = connect(headers={"x-team": "shop"}, conversation_header="x-session-id")
    for conversation in ("17", "", "khóa"):
        await collect(model, replace(question, conversation=conversation))
    assert [call.headers.get("x-session-id") for call in server.calls] == ["17", None, None]
    assert server.calls[0].headers["x-team"] == "shop"


async def test_a_turn_that_pauses_is_sent_back_as_it_is_and_goes_on(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    def answer(body: Mapping[str, Any]) -> list[Step]:
        goes_on = body["messages"][-1]["role"] == "assistant"
        return [Say("and the end.")] if goes_on else [Think("hm"), Say("The beginning "), Stop("pause_turn")]

    tool = ToolSpec("search", "Searches.", {"type": "object", "properties": {}})
    for request in (question, replace(question, tools=(tool,))):
        server.answer(answer if request.tools else lambda body: answer(body)[-2:])
        events = await collect(connect(), request)
        assert text_of(events) == "The beginning and the end."
        assert isinstance(events[-1], Finished)
    assert [call.status for call in server.calls] == [200] * 4
    assert [block["type"] for block in server.calls[-1].body["messages"][-1]["content"]] == ["thinking", "text"]


async def test_closing_the_iterator_closes_the_connection(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.rate = 50
    server.answer(WORDS * 100)
    async with aclosing(connect().stream(question)) as events:
        assert isinstance(await anext(events), Billed)
        assert isinstance(await anext(events), TextDelta)
    await server.until(lambda: server.calls[0].outcome == "disconnected")


@pytest.mark.parametrize("when", ["before the first word", "after it"])
async def test_cancelling_the_task_closes_the_connection(
    server: AnthropicServer, connect: Connect, question: ModelRequest, when: str
) -> None:
    server.rate, server.delay = 50, 60.0 if when == "before the first word" else 0.0
    server.answer(WORDS * 100)
    task = asyncio.create_task(collect(connect(), question))
    await server.until(
        lambda: bool(server.calls) and (server.calls[0].first_text is not None or server.calls[0].status == 200)
    )
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.until(lambda: server.calls[0].outcome == "disconnected")


async def test_after_a_broken_stream_the_next_one_works(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer(WORDS)
    server.fault(Fault("reset", after=3))
    model = connect()
    await until_error(model, question)
    assert text_of(await collect(model, question)) == WORDS


async def test_a_hundred_streams_at_once_do_not_mix(server: AnthropicServer, connect: Connect) -> None:
    server.answer(lambda body: f"{body['messages'][0]['content'][0]['text']} " * 30)
    server.rate = 200
    model = connect()

    async def one(number: int) -> bool:
        request = ModelRequest(system="", messages=(ModelMessage("user", f"customer-{number}"),))
        events = await collect(model, request)
        return text_of(events) == f"customer-{number} " * 30 and isinstance(events[-1], Finished)

    assert all(await asyncio.gather(*(one(number) for number in range(100))))


async def test_no_key_shows_in_an_error_or_a_log(
    server: AnthropicServer, connect: Connect, question: ModelRequest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for status in (400, 401, 429, 500):
        server.fault(Fault("http", status, message=f"your key {server.api_key} is bad"))
        _, raised = await until_error(connect(), question)
        assert server.api_key not in str(raised)
        logging.getLogger("test").error("failed", exc_info=raised)
    assert server.api_key not in caplog.text
    assert server.api_key not in repr(connect())
    assert server.api_key not in json.dumps([call.headers for call in server.log])


async def test_a_text_that_is_no_unicode_is_rejected_and_not_repeated(connect: Connect) -> None:
    broken = ModelRequest(system="", messages=(ModelMessage("user", "secret \ud800"),))
    _, raised = await until_error(connect(), broken)
    assert type(raised) is ModelRejected
    assert raised.__cause__ is None
    assert "secret" not in str(raised)


async def test_a_model_can_be_closed_unused_and_twice(connect: Connect) -> None:
    model: ChatModel = connect()
    assert model.name == "anthropic:claude-haiku-5-5"
    await model.close()
    await model.close()


async def test_a_user_and_password_in_the_address_do_not_show(question: ModelRequest) -> None:
    endpoint = replace(ANTHROPIC, base_url="http://me:secret@127.0.0.1:9")
    model = AnthropicModel(model="claude-haiku-5-5", api_key="k", endpoint=endpoint)
    _, raised = await until_error(model, question)
    assert "secret" not in str(raised)
    assert "127.0.0.1:9" in str(raised)
    await model.close()


@pytest.mark.parametrize(
    ("key", "url", "variable"),
    [
        ("", "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
        ("khóa", "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
        ("a\nb", "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
        ("k", "http://host:port", "ANTHROPIC_BASE_URL"),
    ],
)
def test_a_setting_that_cannot_work_is_named(key: str, url: str, variable: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        AnthropicModel(model="claude-haiku-5-5", api_key=key, endpoint=replace(ANTHROPIC, base_url=url))


async def test_a_body_is_sent_with_its_length_as_many_gateways_want_it(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    await collect(connect(), question)
    call = server.calls[0]
    assert call.headers["content-length"] == str(len(call.raw))
    assert call.headers["content-type"] == "application/json"
    assert "transfer-encoding" not in call.headers

"""The loopback Messages API refuses what the real one refuses."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest

from tests.servers.anthropic import AnthropicServer, Cite, Say, Think, UseTool
from tests.servers.anthropic.rules import Refused

OK: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "How long may I return goods?"}],
}
RESULT = {
    "type": "search_result",
    "source": "en/returns",
    "title": "Returns",
    "content": [{"type": "text", "text": "You may return goods within 7 days. Keep the tag."}],
    "citations": {"enabled": True},
}


def said(*content: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(content)}]}


def image(media_type: str = "image/png", data: str = "iVBORw0KGgoAAAANSUhEUg==") -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


@pytest.fixture
async def server() -> AsyncIterator[AnthropicServer]:
    async with AnthropicServer() as server:
        yield server


@pytest.fixture
async def client(server: AnthropicServer) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key=server.api_key, base_url=server.url, max_retries=0) as client:
        yield client


async def post(client: anthropic.AsyncAnthropic, body: dict[str, Any]) -> anthropic.types.Message:
    return await client.post("/v1/messages", body=body, cast_to=anthropic.types.Message)


async def test_a_server_that_judges_late_answers_first_and_complains_when_it_closes() -> None:
    server = await AnthropicServer(judges_late=True).__aenter__()
    async with anthropic.AsyncAnthropic(api_key=server.api_key, base_url=server.url, max_retries=0) as client:
        answer = await post(client, {**OK, "temperature": 0.5})
    assert answer.content
    with pytest.raises(Refused, match="temperature"):
        await server.__aexit__(None)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"system": "Be brief."},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
        {"thinking": {"type": "disabled"}},
        {"model": "claude-sonnet-5-5", "thinking": {"type": "between_tools"}},
        {"model": "claude-haiku-4-5", "max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        said(RESULT, {"type": "text", "text": "How long?", "cache_control": {"type": "ephemeral"}}),
        said(image()),
    ],
)
async def test_what_is_right_is_answered(client: anthropic.AsyncAnthropic, changes: dict[str, Any]) -> None:
    message = await post(client, {**OK, **changes})
    assert message.stop_reason == "end_turn"


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.5},
        {"top_p": 1},
        {"top_k": 5},
        {"colour": "red"},
        {"max_tokens": 0},
        {"max_tokens": "many"},
        {"messages": []},
        {"messages": "hi"},
        {"messages": [{"role": "assistant", "content": "hi"}]},
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Sure:"}]},
        {"messages": [{"role": "tool", "content": "hi"}]},
        {"messages": [{"role": "user", "content": "hi", "name": "Lan"}]},
        {"messages": [{"role": "user", "content": " "}]},
        said(),
        said({"type": "text", "text": ""}),
        said({"type": "text", "text": " \n"}),
        said({"type": "text", "text": "hi", "citations": [{"type": "char_location"}]}),
        said({"type": "video"}),
        said(image("image/heic")),
        said(image(data="***")),
        said(image("image/jpeg")),
        said({**RESULT, "content": []}),
        said({**RESULT, "content": "text"}),
        said({**RESULT, "source": ""}),
        said({**RESULT, "url": "https://example.org"}),
        said(RESULT, {**RESULT, "citations": {"enabled": False}}),
        said(*({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}} for _ in range(5))),
        said({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1d"}}),
        {"system": [{"type": "text", "text": ""}]},
        {"system": [image()]},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"thinking": {"type": "between_tools"}},
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
        {"model": "claude-sonnet-5-5", "thinking": {"type": "disabled"}},
        {"model": "claude-opus-5-5", "thinking": {"type": "disabled"}},
        {"model": "claude-haiku-4-5", "output_config": {"effort": "low"}},
        {"output_config": {"effort": "tiny"}},
        {"tool_choice": {"type": "any"}, "tools": [{"name": "t", "input_schema": {"type": "object"}}]},
    ],
)
async def test_what_is_wrong_is_refused(client: anthropic.AsyncAnthropic, changes: dict[str, Any]) -> None:
    with pytest.raises(anthropic.BadRequestError) as raised:
        await post(client, {**OK, **changes})
    assert raised.value.type == "invalid_request_error"
    assert raised.value.request_id


async def test_keys_version_paths_and_models_are_checked(server: AnthropicServer) -> None:
    async with anthropic.AsyncAnthropic(api_key="wrong", base_url=server.url, max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError):
            await post(client, OK)
    headers = {"anthropic-version": ""}
    async with anthropic.AsyncAnthropic(
        api_key=server.api_key, base_url=server.url, max_retries=0, default_headers=headers
    ) as client:
        with pytest.raises(anthropic.BadRequestError):
            await post(client, OK)
    async with anthropic.AsyncAnthropic(api_key=server.keys[1], base_url=server.url, max_retries=0) as client:
        with pytest.raises(anthropic.NotFoundError):
            await post(client, {**OK, "model": "claude-haiku-9"})
        with pytest.raises(anthropic.NotFoundError):
            await client.post("/v2/messages", body=OK, cast_to=object)
        assert [model.id for model in (await client.models.list()).data] == list(server.models)
        assert (await client.models.retrieve("claude-haiku-5-5")).capabilities is not None
    assert {call.key for call in server.calls} == {"", "key-1", "key-2"}
    assert not any(server.api_key in str(call) for call in server.log)


async def test_the_sdk_reads_the_stream_as_that_of_the_real_service(
    server: AnthropicServer, client: anthropic.AsyncAnthropic
) -> None:
    server.answer((Think("hm"), Say("Seven days."), Cite("en/returns"), Say(" Bye.")))
    async with client.messages.stream(**OK) as stream:
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text", "text"]
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 1
    cited = message.content[1]
    assert isinstance(cited, anthropic.types.TextBlock)
    assert cited.citations is not None
    assert isinstance(cited.citations[0], anthropic.types.CitationsSearchResultLocation)
    assert cited.citations[0].source == "en/returns"


async def test_by_itself_it_answers_from_the_policies_and_cites_them(
    client: anthropic.AsyncAnthropic,
) -> None:
    other = {
        **RESULT,
        "source": "en/shipping",
        "title": "Shipping",
        "content": [{"type": "text", "text": "30,000 VND"}],
    }
    message = await post(client, {**OK, **said(other, RESULT, {"type": "text", "text": "How long may I return it?"})})
    cited = [block.citations for block in message.content if block.type == "text" and block.citations]
    assert "within 7 days" in "".join(block.text for block in message.content if block.type == "text")
    assert [citations[0].source for citations in cited if citations[0].type == "search_result_location"] == [
        "en/returns"
    ]


TOOL = {"name": "search", "input_schema": {"type": "object", "properties": {}}}
ASK = {"role": "user", "content": "How long?"}


def call(*ids: str) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": call_id, "name": "search", "input": {}} for call_id in ids],
    }


def results(*ids: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "tool_result", "tool_use_id": one, "content": "No.", **more} for one in ids]
    return {"role": "user", "content": content}


WORDS = {"type": "text", "text": "Well."}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tools": [{"name": "search"}]}, "input_schema"),
        ({"tools": [{**TOOL, "name": "no space"}]}, "pattern"),
        ({"tools": [TOOL, TOOL]}, "unique"),
        ({"tool_choice": {"type": "none"}}, "providing tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}}, "forced"),
        ({"messages": [ASK, call("a"), results("a")]}, "must define tools"),
        ({"tools": [TOOL], "messages": [ASK, call("a"), ASK]}, "without `tool_result`"),
        ({"tools": [TOOL], "messages": [ASK, call("a", "b"), results("a")]}, "without `tool_result`"),
        ({"tools": [TOOL], "messages": [ASK, call("a"), results("b")]}, "unexpected `tool_use_id`"),
        ({"tools": [TOOL], "messages": [ASK, call("a"), results("a", "a")]}, "single result"),
        ({"tools": [TOOL], "messages": [ASK, call("a", "a"), results("a")]}, "unique"),
        (
            {
                "tools": [TOOL],
                "messages": [ASK, call("a"), {"role": "user", "content": [WORDS, *results("a")["content"]]}],
            },
            "without `tool_result`",
        ),
        (
            {"tools": [TOOL], "messages": [ASK, call("a"), results("a", is_error=True, content=[RESULT])]},
            "must be type text",
        ),
        (
            {"messages": [ASK, {"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}, WORDS]}, ASK]},
            "signature",
        ),
    ],
    ids=range(14),
)
async def test_calls_and_results_that_do_not_fit_are_refused(
    client: anthropic.AsyncAnthropic, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=says):
        await post(client, {**OK, **changes})


async def test_a_call_is_streamed_as_the_sdk_reads_it_and_goes_back_untouched_or_not_at_all(
    server: AnthropicServer, client: anthropic.AsyncAnthropic
) -> None:
    server.answer((Think("Hm."), Say("Wait."), UseTool("search", {"query": "phí đổi"})))
    body: dict[str, Any] = {**OK, "tools": [TOOL]}
    async with client.messages.stream(**body) as stream:
        message = await stream.get_final_message()
    assert message.stop_reason == "tool_use"
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    last = message.content[-1]
    assert last.type == "tool_use"
    assert last.input == {"query": "phí đổi"}
    said = [block.model_dump(exclude_none=True) for block in message.content]
    history = [*OK["messages"], {"role": "assistant", "content": said}, results(last.id)]
    server.answer("Free.")
    await post(client, {**body, "messages": history})
    history[1] = {"role": "assistant", "content": said[1:]}
    with pytest.raises(anthropic.BadRequestError, match="cannot be modified"):
        await post(client, {**body, "messages": history})

"""Chunks of a chat completion become events, however they are cut and whatever form endpoints give them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import KeyRefused, ModelError, ModelRefused, ModelRejected, ModelUnavailable
from bot.llm.base import Billed, Finished, ModelEvent, TextDelta, ToolCall, Usage
from bot.llm.calls import MAX_ARGUMENTS, MAX_CALLS
from bot.llm.openai_compatible.events import ChatReader

DONE = b"data: [DONE]\n\n"


def sse(value: Any) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def chunk(delta: Any = None, reason: Any = None, **more: Any) -> bytes:
    return sse({"model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more})


def call(index: Any, name: Any = None, arguments: Any = "", call_id: Any = None) -> bytes:
    return chunk({"tool_calls": [{"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}]})


def read(*chunks: bytes, **settings: Any) -> tuple[list[ModelEvent], ChatReader]:
    reader = ChatReader("m", (), **settings)
    events: list[ModelEvent] = []
    for one in chunks:
        if not (reader.finished or reader.failure):
            events += reader.feed(one)
    if not (reader.finished or reader.failure):
        events += reader.eof()
    return events, reader


def joined(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_of(events: list[ModelEvent]) -> list[ToolCall]:
    return [event for event in events if isinstance(event, ToolCall)]


WHOLE = (
    b": keep-alive\n\n"
    + chunk({"role": "assistant", "content": ""})
    + chunk({"content": "Đổi "})
    + chunk({"content": "trả 🙂"})
    + chunk({}, "stop")
    + sse({"choices": [], "usage": {"prompt_tokens": 107, "completion_tokens": 12, "prompt_cache_hit_tokens": 100}})
    + DONE
)


def test_cut_at_any_byte_the_answer_is_the_same_and_no_beginning_is_an_end() -> None:
    whole_end = WHOLE.index(b'"stop"')
    for at in range(len(WHOLE)):
        events, _ = read(WHOLE[:at], WHOLE[at:])
        assert joined(events) == "Đổi trả 🙂"
        assert events[-1] == Finished(Usage(7, 12, 100), "m-1")
        if at <= whole_end:
            assert isinstance(read(WHOLE[:at])[1].failure, ModelUnavailable)


def test_usage_is_told_as_soon_as_it_is_known_and_the_last_one_counts() -> None:
    early = chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": 1})
    late = chunk({}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 9})
    events, _ = read(early, late, DONE)
    assert Billed(Usage(5, 1)) in events
    assert events[-1] == Finished(Usage(5, 9), "m-1")


@pytest.mark.parametrize("usage", [None, "x", {"prompt_tokens": "7"}, {"prompt_tokens": -1}, {}])
def test_usage_that_is_none_costs_nothing(usage: Any) -> None:
    events, _ = read(chunk({"content": "a"}, "stop", usage=usage), DONE)
    assert events[-1] == Finished(Usage(), "m-1")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error": {"message": "slow down", "code": 429}}, KeyRefused),
        ({"error": {"message": "x", "type": "invalid_request_error"}}, ModelRejected),
        ({"error": "just words"}, ModelUnavailable),
        ({"object": "error", "message": "too long", "code": 400}, ModelRejected),
        ({"error": {"code": 502, "message": "x"}, "choices": [{"finish_reason": "error"}]}, ModelUnavailable),
    ],
)
def test_an_error_in_the_stream_is_told_apart(error: Any, kind: type[ModelError]) -> None:
    events, reader = read(chunk({"content": "a"}), sse(error), chunk({"content": "b"}))
    assert joined(events) == "a"
    assert type(reader.failure) is kind


def test_an_error_that_is_null_is_none() -> None:
    assert read(chunk({"content": "a"}, "stop", error=None), DONE)[1].failure is None


def test_a_refusal_is_told_apart() -> None:
    assert isinstance(read(chunk({"refusal": "I cannot"}), chunk({}, "stop"), DONE)[1].failure, ModelRefused)


def test_content_in_parts_is_read_without_its_thoughts() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Dạ"}]
    assert joined(read(chunk({"content": parts}, "stop"), DONE)[0]) == "Dạ"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (
            [call(0, "a", "", "x"), call(0, None, '{"q"'), call(1, "b", "{}", "y"), call(0, None, ":1}")],
            [ToolCall("x", "a", {"q": 1}), ToolCall("y", "b", {})],
        ),
        ([call(0, "a", "{}", "x"), call(0, "b", "{}", "y")], [ToolCall("x", "a", {}), ToolCall("y", "b", {})]),
        (
            [call(None, "a", "{}"), call(None, "b", "{}")],
            [ToolCall("call_0_0", "a", {}), ToolCall("call_0_1", "b", {})],
        ),
        ([call(0, "a", {"q": 1}, "functions.a:0")], [ToolCall("call_0_0", "a", {"q": 1})]),
        ([call(0, "a", "{}", "x"), call(1, "a", "{}", "x")], [ToolCall("x", "a", {}), ToolCall("call_0_1", "a", {})]),
        ([call(0, "a", "")], [ToolCall("call_0_0", "a", {})]),
        ([call(0, "a", "[1]"), call(1, "a", "{")], [ToolCall("call_0_0", "a", None), ToolCall("call_0_1", "a", None)]),
        ([call(0, "a", '{"q": "' + "x" * MAX_ARGUMENTS + '"}')], [ToolCall("call_0_0", "a", None)]),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("reason", ["tool_calls", "stop"])
def test_calls_are_put_together_however_an_endpoint_sends_them(
    pieces: list[bytes], expected: list[ToolCall], reason: str
) -> None:
    events, _ = read(*pieces, chunk({}, reason), DONE, calls_tools=True)
    assert calls_of(events) == expected
    assert isinstance(events[-1], Finished)
    assert events[-1].stop_reason == "tools"


def test_an_id_of_an_earlier_round_is_not_used_again() -> None:
    events, _ = read(call(0, "a", "{}", "x"), chunk({}, "tool_calls"), DONE, calls_tools=True, taken=["x"])
    assert calls_of(events) == [ToolCall("call_1_0", "a", {})]


@pytest.mark.parametrize(
    "pieces", [[call(0, "no name")], [call(0, 7)], [call(n, "a") for n in range(MAX_CALLS + 1)]], ids=range(3)
)
def test_calls_that_have_no_answer_are_a_failure(pieces: list[bytes]) -> None:
    _, reader = read(*pieces, chunk({}, "tool_calls"), DONE, calls_tools=True)
    assert isinstance(reader.failure, ModelUnavailable)


FIELDS = (
    *("choices", "delta", "content", "tool_calls", "function", "name", "arguments", "index", "usage", "error", "id"),
    *("finish_reason", "prompt_tokens", "prompt_tokens_details", "reasoning", "refusal", "text"),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["stop", "tool_calls", "a", "[1]", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(VALUES, max_size=4), st.booleans())
def test_chunks_of_the_wrong_shape_end_in_no_other_error(values: list[Any], calls_tools: bool) -> None:
    chunks = [sse({"choices": [value], "usage": value} if index % 2 else value) for index, value in enumerate(values)]
    read(*chunks, chunk({"content": "a"}, "stop"), DONE, calls_tools=calls_tools, marked=True)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_bytes_end_in_no_other_error(chunks: list[bytes]) -> None:
    read(*chunks)

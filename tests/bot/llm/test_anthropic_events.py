"""Bytes of a stream become events, however they are cut, and nothing but a real end is an end."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import KeyRefused, ModelError, ModelRefused, ModelRejected, ModelUnavailable
from bot.llm.anthropic.blocks import Said
from bot.llm.anthropic.events import MAX_PAUSES, MessageReader
from bot.llm.base import Billed, Cited, Finished, ModelEvent, TextDelta, Usage
from bot.llm.sse import MAX_LINE_BYTES


def sse(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({**data, 'type': kind}, ensure_ascii=False)}\n\n".encode()


def text(words: str) -> bytes:
    return sse("content_block_delta", index=0, delta={"type": "text_delta", "text": words})


def cite(source: str) -> bytes:
    citation = {"type": "search_result_location", "source": source}
    return sse("content_block_delta", index=0, delta={"type": "citations_delta", "citation": citation})


def start(**usage: int) -> bytes:
    return sse("message_start", message={"model": "claude-haiku-5-5-x", "usage": usage})


def end(reason: str | None = "end_turn", **usage: int) -> bytes:
    return sse("message_delta", delta={"stop_reason": reason}, usage=usage) + sse("message_stop")


def read(*chunks: bytes, ids: tuple[str, ...] = ("a", "b")) -> tuple[list[ModelEvent], MessageReader]:
    reader = MessageReader("asked-for", ids)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return [event for event in events if not isinstance(event, Billed)], reader


def test_what_was_billed_so_far_is_told_before_the_end() -> None:
    reader = MessageReader("asked-for", ())
    events = reader.feed(start(input_tokens=7, cache_read_input_tokens=100, output_tokens=1) + text("Đổi"))
    assert events == [Billed(Usage(7, 1, 100, 0)), TextDelta("Đổi")]


WHOLE = (
    start(input_tokens=7, cache_read_input_tokens=100, output_tokens=1)
    + sse("ping")
    + text("Đổi ")
    + text("trả 🙂")
    + cite("a")
    + end(output_tokens=12)
)


def joined(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_what_hides_or_steers_a_text_is_taken_out_of_the_models_words() -> None:
    events, _ = read(start(), text("\x1b[31mĐổi\u202e "), text("\x00\u2066"), text("trả\U000e0041"), end())
    assert joined(events) == "[31mĐổi trả"


def test_deltas_that_come_together_are_joined_and_usage_is_combined() -> None:
    events, reader = read(WHOLE)
    assert events == [
        TextDelta("Đổi trả 🙂"),
        Cited("a"),
        Finished(Usage(7, 12, cache_read_tokens=100), "claude-haiku-5-5-x"),
    ]
    assert reader.finished
    assert reader.failure is None


def test_cut_at_any_byte_the_answer_is_the_same() -> None:
    for cut in range(len(WHOLE)):
        events, reader = read(WHOLE[:cut], WHOLE[cut:])
        assert joined(events) == "Đổi trả 🙂"
        assert reader.finished


def test_byte_by_byte_and_with_carriage_returns_the_answer_is_the_same() -> None:
    crlf = WHOLE.replace(b"\n", b"\r\n")
    events, reader = read(*(crlf[i : i + 1] for i in range(len(crlf))))
    assert joined(events) == "Đổi trả 🙂"
    assert reader.finished


def test_no_beginning_of_a_stream_is_an_end() -> None:
    for cut in range(len(WHOLE) - 1):
        assert not read(WHOLE[:cut])[1].finished


def test_thinking_and_unknown_events_show_nothing() -> None:
    noise = (
        sse("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
        + sse("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "secret"})
        + sse("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "EqQB"})
        + sse("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": "{"})
        + sse("content_block_stop", index=0)
        + sse("tomorrow", text="secret")
        + b": comment\nid: 5\nretry: 10\n\n"
    )
    events, _ = read(start() + noise + text("Hi") + noise + end())
    assert joined(events) == "Hi"


def test_a_section_is_cited_once_and_only_if_it_was_given() -> None:
    events, _ = read(start() + text("x") + cite("a") + cite("a") + cite("evil") + text("y") + cite("b") + end())
    assert events[:-1] == [TextDelta("x"), Cited("a"), TextDelta("y"), Cited("b")]


def test_nothing_is_read_behind_the_end() -> None:
    events, _ = read(WHOLE + text("more"))
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
def test_an_answer_that_was_too_long_says_so(reason: str) -> None:
    events, _ = read(start() + text("x") + end(reason))
    assert isinstance(events[-1], Finished)
    assert events[-1].stop_reason == "max_tokens"


def test_a_pause_is_kept_as_it_was_said_and_the_answer_goes_on_in_the_next_stream() -> None:
    events, reader = read(start(input_tokens=7, output_tokens=1) + text("Một ") + end("pause_turn", output_tokens=3))
    assert reader.paused == Said("asked-for", ({"type": "text", "text": "Một "},))
    reader.go_on()
    events += reader.feed(start(input_tokens=9, output_tokens=1) + text("hai.") + end(output_tokens=4))
    assert joined(events) == "Một hai."
    assert isinstance(events[-1], Finished)
    assert events[-1].usage == Usage(16, 7)


def test_a_model_that_only_pauses_is_a_failure() -> None:
    _, reader = read(start() + text("x") + end("pause_turn"))
    for _ in range(MAX_PAUSES):
        assert reader.paused
        reader.go_on()
        reader.feed(start() + text("x") + end("pause_turn"))
    assert not reader.paused
    assert isinstance(reader.failure, ModelUnavailable)


@pytest.mark.parametrize("reason", ["tool_use", "tomorrow", None])
def test_a_stop_for_another_reason_is_a_failure(reason: str | None) -> None:
    events, reader = read(start() + text("x") + end(reason))
    assert events == [TextDelta("x")]
    assert isinstance(reader.failure, ModelUnavailable)


def test_a_refusal_is_told_apart() -> None:
    assert isinstance(read(start() + end("refusal"))[1].failure, ModelRefused)


@pytest.mark.parametrize("words", [b"", text(" \n "), text("\u200b")])
def test_an_answer_without_a_word_is_a_failure(words: bytes) -> None:
    assert isinstance(read(start() + words + end())[1].failure, ModelUnavailable)


@pytest.mark.parametrize("kind", ["overloaded_error", "api_error", "timeout_error", "tomorrow", 7, None])
def test_an_error_in_the_stream_that_may_pass_is_unavailable(kind: object) -> None:
    events, reader = read(start() + text("x") + sse("error", error={"type": kind, "message": "no"}) + text("y"))
    assert events == [TextDelta("x")]
    assert type(reader.failure) is ModelUnavailable


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("invalid_request_error", ModelRejected),
        ("request_too_large", ModelRejected),
        ("authentication_error", KeyRefused),
        ("billing_error", KeyRefused),
        ("permission_error", KeyRefused),
        ("rate_limit_error", KeyRefused),
        ("not_found_error", ModelUnavailable),
    ],
)
def test_an_error_in_the_stream_says_whether_another_key_may_help(kind: str, error: type[ModelError]) -> None:
    failure = read(sse("error", error={"type": kind, "message": "no"}))[1].failure
    assert type(failure) is error
    assert (isinstance(failure, KeyRefused) and failure.for_good) == (kind == "authentication_error")


@pytest.mark.parametrize(
    "broken",
    [b"data: {\n\n", b"data: [DONE]\n\n", b"data: 7\n\n", b"data: \xff\xfe\n\n", b"data: " + b"[" * 100_000 + b"\n\n"],
)
def test_an_event_that_is_no_json_object_is_a_failure(broken: bytes) -> None:
    events, reader = read(start() + text("x") + broken + text("y"))
    assert events == [TextDelta("x")]
    assert isinstance(reader.failure, ModelUnavailable)


def test_a_line_without_end_is_a_failure_and_not_a_memory_leak() -> None:
    assert isinstance(read(b"data: " + b"x" * MAX_LINE_BYTES)[1].failure, ModelUnavailable)


FIELDS = st.sampled_from(
    [
        "type",
        "delta",
        "text",
        "message",
        "usage",
        "model",
        "content_block",
        "citation",
        "source",
        "error",
        "stop_reason",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "text", "text_delta", "end_turn"])
OBJECTS = st.dictionaries(FIELDS, SCALARS, max_size=3)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | OBJECTS | st.dictionaries(FIELDS, OBJECTS, max_size=2)
KINDS = st.sampled_from(
    ["message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop", "error", "ping"]
)


@given(st.lists(st.tuples(KINDS, st.dictionaries(FIELDS, VALUES, max_size=3)), max_size=5))
def test_events_of_the_wrong_shape_end_in_no_other_error(events: list[tuple[str, dict[str, Any]]]) -> None:
    read(b"".join(sse(kind, **data) for kind, data in events))


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_end_in_no_other_error(chunks: list[bytes]) -> None:
    read(*chunks)

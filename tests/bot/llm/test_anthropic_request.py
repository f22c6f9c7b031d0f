"""A request becomes a body that the API accepts, and its start stays the same to the byte."""

import base64
import json
from typing import Any

import pytest

from bot.chat import Source
from bot.errors import ModelRejected
from bot.llm.anthropic.dialect import EFFORT, PARTS, THINKING
from bot.llm.anthropic.request import THINKING_ROOM, BodyEncoder, build_body
from bot.llm.base import Image, ModelMessage, ModelRequest
from bot.llm.dialect import NOTHING, Without
from bot.llm.images import MAX_IMAGE_BYTES
from tests.bot.llm.conftest import RETURNS, SHIPPING
from tests.servers.anthropic.rules import check_body

UNTUNED = frozenset({THINKING, EFFORT})
HAIKU = "claude-haiku-5-5"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def user(text: str, *images: Image) -> ModelMessage:
    return ModelMessage("user", text, images)


def assistant(text: str) -> ModelMessage:
    return ModelMessage("assistant", text)


def body_of(*messages: ModelMessage, model: str = HAIKU, without: Without = NOTHING, **changes: Any) -> dict[str, Any]:
    request = ModelRequest(**{"system": "Be brief.", "messages": messages, **changes})
    body = build_body(model, request, without=without)
    check_body(body)
    return body


def breakpoints(body: dict[str, Any]) -> list[str]:
    blocks = [*body.get("system", ()), *(block for message in body["messages"] for block in message["content"])]
    return [block.get("text") or block["source"] for block in blocks if "cache_control" in block]


def test_sections_stand_before_the_history_and_context_behind_the_question() -> None:
    body = body_of(
        user("Hi"), assistant("Hello!"), user("Fees?"), sections=(RETURNS, SHIPPING), context="It is Friday."
    )
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    first, _, last = (message["content"] for message in body["messages"])
    assert [block["type"] for block in first] == ["search_result", "search_result", "text"]
    assert [block["source"] for block in first[:2]] == ["en/returns#time", "en/shipping#fee"]
    assert all(block["citations"] == {"enabled": True} for block in first[:2])
    assert [block["text"] for block in last] == ["Fees?", "It is Friday."]
    assert body["system"] == [{"type": "text", "text": "Be brief."}]


def test_the_cache_ends_behind_the_sections_and_behind_the_question() -> None:
    assert breakpoints(body_of(user("Fees?"), sections=(RETURNS, SHIPPING), context="now")) == [
        "en/shipping#fee",
        "Fees?",
    ]


def test_without_sections_the_cache_ends_behind_the_system_text() -> None:
    assert breakpoints(body_of(user("Fees?"), context="now")) == ["Be brief.", "Fees?"]


def test_the_start_is_the_same_to_the_byte_over_three_turns() -> None:
    history: list[ModelMessage] = []
    prefixes = []
    for turn in range(3):
        history.append(user(f"question {turn}"))
        body = body_of(*history, sections=(RETURNS, SHIPPING), context=f"minute {turn}")
        text = json.dumps({"system": body["system"], "messages": body["messages"]}).replace(
            ', "cache_control": {"type": "ephemeral"}', ""
        )
        prefixes.append(text[: text.index(f"question {turn}") + len(f"question {turn}")])
        history.append(assistant(f"answer {turn}"))
    assert prefixes[1].startswith(prefixes[0])
    assert prefixes[2].startswith(prefixes[1])


def test_neighbours_of_one_role_become_one_message() -> None:
    body = body_of(user("one"), user("two"), assistant("a"), assistant("b"), user("three"))
    assert [(m["role"], [block["text"] for block in m["content"]]) for m in body["messages"]] == [
        ("user", ["one", "two"]),
        ("assistant", ["a", "b"]),
        ("user", ["three"]),
    ]


def test_a_history_that_starts_with_the_assistant_is_accepted() -> None:
    assert [m["role"] for m in body_of(assistant("Welcome"), user("Hi"))["messages"]] == ["user"]
    with_sections = body_of(assistant("Welcome"), user("Hi"), sections=(RETURNS,))
    assert [m["role"] for m in with_sections["messages"]] == ["user", "assistant", "user"]


def test_messages_and_sections_without_words_are_left_out() -> None:
    empty = Source("en/empty", "Empty", "", " \n")
    body = body_of(user("Hi"), assistant(" \n "), user("Fees?"), sections=(empty,), system="  ", context=" ")
    assert [block["text"] for block in body["messages"][0]["content"]] == ["Hi", "Fees?"]
    assert "system" not in body


@pytest.mark.parametrize("messages", [(), (assistant("Hi"),), (user(" \n"),), (user("Hi"), user(""))])
def test_a_turn_with_nothing_to_answer_is_rejected(messages: tuple[ModelMessage, ...]) -> None:
    with pytest.raises(ModelRejected, match="nothing to answer"):
        build_body(HAIKU, ModelRequest(system="", messages=messages))


def test_pictures_go_before_the_words_they_came_with() -> None:
    content = body_of(user("What is it?", Image("image/png", PNG)))["messages"][0]["content"]
    assert content[0]["source"]["media_type"] == "image/png"
    assert base64.b64decode(content[0]["source"]["data"]) == PNG
    assert content[1]["text"] == "What is it?"


@pytest.mark.parametrize(
    "image", [Image("image/heic", PNG), Image("image/png", b""), Image("image/png", bytes(MAX_IMAGE_BYTES + 1))]
)
def test_a_picture_that_the_api_would_refuse_is_named_instead(image: Image) -> None:
    content = body_of(user("", image))["messages"][0]["content"]
    assert content[0]["type"] == "text"
    assert "picture left out" in content[0]["text"]


def test_a_picture_alone_is_a_question() -> None:
    content = body_of(user("", Image("image/png", PNG)), context="now")["messages"][0]["content"]
    assert [block["type"] for block in content] == ["image", "text"]
    assert "cache_control" in content[0]


@pytest.mark.parametrize(
    ("model", "thinking", "effort"),
    [
        ("claude-haiku-5-5", {"type": "disabled"}, "low"),
        ("anthropic/claude-haiku-5.5", {"type": "disabled"}, "low"),
        ("claude-sonnet-5-5", {"type": "between_tools"}, "low"),
        ("claude-sonnet-5-5-20260928", {"type": "between_tools"}, "low"),
        ("claude-sonnet-5", {"type": "disabled"}, "low"),
        ("claude-opus-5-20260701", {"type": "disabled"}, "low"),
        ("claude-opus-5-5", None, "low"),
        ("claude-fable-5-2", None, "low"),
        ("claude-haiku-6", None, "low"),
        ("claude-haiku-4-5", None, None),
        ("claude-sonnet-4-6", None, None),
        ("deepseek-v4", None, None),
    ],
)
def test_thinking_is_set_for_the_first_word_by_model_family(
    model: str, thinking: dict[str, str] | None, effort: str | None
) -> None:
    body = body_of(user("Hi"), model=model)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


def test_a_model_that_thinks_gets_room_for_it() -> None:
    assert body_of(user("Hi"), max_tokens=500)["max_tokens"] == 500
    assert body_of(user("Hi"), max_tokens=500, model="claude-opus-5-5")["max_tokens"] == 500 + THINKING_ROOM
    untuned = body_of(user("Hi"), max_tokens=500, without=UNTUNED)
    assert untuned["max_tokens"] == 500 + THINKING_ROOM
    assert not {"thinking", "output_config"} & set(untuned)


@pytest.mark.parametrize("sections", [(), (RETURNS, SHIPPING), (Source("en/empty", "Empty", "", " "),)])
@pytest.mark.parametrize("without", [NOTHING, UNTUNED, frozenset(PARTS)])
def test_the_bytes_that_are_sent_are_the_body(sections: tuple[Source, ...], without: Without) -> None:
    encoder = BodyEncoder(HAIKU)
    for words in ("Phí giao hàng?", 'Is {"sections":"here"} a trick?'):
        request = ModelRequest(system='{"sections":"here"}', messages=(user(words),), sections=sections, context="now")
        body = encoder.encode(request, without=without)
        sent = body.whole()
        assert len(sent) == body.length
        assert json.loads(sent) == {**build_body(HAIKU, request, without=without), "stream": True}
        assert words in json.loads(sent)["messages"][0]["content"][-2]["text"]


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(UnicodeEncodeError):
        BodyEncoder(HAIKU).encode(ModelRequest(system="", messages=(user("\ud83d"),)))

"""Turns a `ModelRequest` into the body of a chat completion, stable to the byte at its start."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bot.chat import Source
from bot.errors import ModelRejected
from bot.llm.base import ModelMessage, ModelRequest, ToolRound, ToolSpec
from bot.llm.dialect import NOTHING, Without
from bot.llm.images import LEFT_OUT, in_base64
from bot.llm.numbered import RULE, asks_for_marks, listed, numbers_of
from bot.llm.wire import Body

THINKING_ROOM = 4096
"""Tokens added to the most that an answer may have for a model that thinks: its thoughts count as output."""
STREAM_OPTIONS, MAX_TOKENS, MAX_COMPLETION_TOKENS = "stream_options", "max_tokens", "max_completion_tokens"
TOOLS, TOOL_CHOICE, SYSTEM, EFFORT, THINKING = "tools", "tool_choice", "system role", "reasoning_effort", "thinking"
PARTS = {
    STREAM_OPTIONS: "stream_options|include_usage",
    MAX_TOKENS: r"\bmax_tokens",
    MAX_COMPLETION_TOKENS: "max_completion_tokens",
    TOOLS: r"\btools?\b|tool choice|\bfunctions?\b",
    TOOL_CHOICE: "tool_choice",
    SYSTEM: r"\bsystem\b|developer instruction|roles must alternate",
    EFFORT: r"reasoning_effort|\beffort\b",
    THINKING: r"\bthinking\b",
}
"""The parts of a body that some endpoints do not know, and how they name them."""
Effort = Literal["low", "medium", "high", "xhigh", "max"]
Thinking = Literal["disabled", "between_tools", "adaptive"]
Json = dict[str, Any]

_LENGTHS = (MAX_TOKENS, MAX_COMPLETION_TOKENS)
_THINKS = re.compile(r"(^|/)(o\d|gpt-[5-9])|think|reason|[-_]r1\b|\bqwq", re.IGNORECASE)
_TAKES_EFFORT = re.compile(r"(^|/)(o\d|gpt-[5-9])")
_REMINDER = "Behind each sentence that relies on a section, write its number in square brackets, for example [1]."
_HEADS_KEPT = 8
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Said:
    """What a model thought before it called its tools: some refuse their calls without it."""

    model: str
    field: str
    text: str


class BodyEncoder:
    """Bodies in bytes. The start, which most turns have in common and which is most of a body, is encoded once.

    `newer`: the length is first asked for as `max_completion_tokens`.
    """

    def __init__(
        self, model: str, *, newer: bool = False, effort: Effort | None = None, thinking: Thinking | None = None
    ) -> None:
        self._model = model
        self._lengths = _LENGTHS[::-1] if newer else _LENGTHS
        self._settings = settings_for(model, effort, thinking)
        self.thinks = _THINKS.search(model) is not None and thinking != "disabled"
        """Whether it gets room for its thoughts; to be set once it was seen to think."""
        self._heads: dict[tuple[object, ...], tuple[tuple[Source, ...], tuple[ToolSpec, ...], bytes]] = {}

    def parts_of(self, request: ModelRequest, without: Without) -> Iterator[str]:
        """Those of `PARTS` that the body for a request holds."""
        yield from self._settings
        yield STREAM_OPTIONS
        yield from (name for name in self._lengths if name not in without)
        if request.tools or request.rounds:
            yield TOOLS
        if request.tools and not request.may_call:
            yield TOOL_CHOICE
        if request.system.strip() or request.known:
            yield SYSTEM

    def build(self, request: ModelRequest, without: Without = NOTHING) -> Json:
        """The body. The order is: tools, system, sections, history, question, what was found for it, context, and what
        happened since. Up to the question it is the same in the next turn, so that the provider's cache hits.

        Raises `ModelRejected` when there is nothing to answer.
        """
        head, messages, tail = self._head(request, without), self._messages(request, without), _tail(request, without)
        return {**head, "messages": [*head["messages"], *messages], **tail}

    def encode(self, request: ModelRequest, without: Without = NOTHING) -> Body:
        """`build` as UTF-8. Raises as it does, and `UnicodeEncodeError`."""
        rest = [*map(_ENCODER.encode, self._messages(request, without))]
        tail = _tail(request, without)
        ending = f"],{_ENCODER.encode(tail)[1:]}" if tail else "]}"
        start = self._start(request, without)
        return Body(start, b"" if start.endswith(b"[") else b",", f"{','.join(rest)}{ending}".encode())

    def _start(self, request: ModelRequest, without: Without) -> bytes:
        names, marks = tuple(tool.name for tool in request.tools), asks_for_marks(request)
        key = id(request.sections), request.system, names, request.max_tokens, without, self.thinks, marks
        known = self._heads.get(key)
        # They are told by identity or equality; what is held here can have no other's identity.
        if known is None or known[1] != request.tools:
            if len(self._heads) >= _HEADS_KEPT:
                del self._heads[next(iter(self._heads))]
            encoded = _ENCODER.encode(self._head(request, without)).removesuffix("]}").encode()
            known = self._heads[key] = request.sections, request.tools, encoded
        return known[2]

    def _head(self, request: ModelRequest, without: Without) -> Json:
        """All that comes before the history. The list of messages is its end."""
        body: Json = {"model": self._model, "stream": True}
        if STREAM_OPTIONS not in without:
            body["stream_options"] = {"include_usage": True}
        if length := next((name for name in self._lengths if name not in without), None):
            body[length] = request.max_tokens + (THINKING_ROOM if self.thinks else 0)
        body |= {name: value for name, value in self._settings.items() if name not in without}
        if request.tools and TOOLS not in without:
            body["tools"] = [_tool(tool) for tool in request.tools]
        text = _instructions(request)
        has_system = text and SYSTEM not in without
        return {**body, "messages": [{"role": "system", "content": text}] if has_system else []}

    def _messages(self, request: ModelRequest, without: Without) -> list[Json]:
        if not request.messages or request.messages[-1].role != "user" or not _has_content(request.messages[-1]):
            raise ModelRejected("The turn has neither words nor pictures: there is nothing to answer.")
        numbers = numbers_of(request.known)
        kept: list[tuple[str, list[str], list[Json]]] = []
        for message in request.messages:
            if not _has_content(message) or (not kept and message.role == "assistant"):
                continue
            if not kept or kept[-1][0] != message.role:
                kept.append((message.role, [], []))
            if message.text.strip():
                kept[-1][1].append(message.text)
            kept[-1][2].extend(_image(image) for image in message.images if message.role == "user")
        if SYSTEM in without and (text := _instructions(request)):
            kept[0][1].insert(0, text)
        kept[-1][1].extend(filter(None, (listed(request.found, numbers), request.context.strip())))
        if numbers:
            kept[-1][1].append(_REMINDER)
        messages = [_message(role, "\n\n".join(texts), images) for role, texts, images in kept]
        rounds = _rounds_in_words if TOOLS in without else _rounds
        return [*messages, *rounds(self._model, request.rounds, numbers)]


def settings_for(model: str, effort: Effort | None = None, thinking: Thinking | None = None) -> Json:
    """The settings of a model: those that were chosen, else what brings the first word soonest where it is known."""
    settings: Json = {}
    if effort is not None:
        settings[EFFORT] = effort
    elif _TAKES_EFFORT.search(model):
        settings[EFFORT] = "low"
    if thinking == "disabled":
        settings[THINKING] = {"type": "disabled"}
    return settings


def _instructions(request: ModelRequest) -> str:
    numbers = numbers_of(request.known)
    rule = RULE if asks_for_marks(request) else ""
    parts = (request.system.strip() and request.system, rule, listed(request.sections, numbers))
    return "\n\n".join(filter(None, parts))


def _tail(request: ModelRequest, without: Without) -> Json:
    """What comes behind the messages, since it changes within a turn."""
    if request.tools and not request.may_call and not {TOOLS, TOOL_CHOICE} & without:
        return {"tool_choice": "none"}
    return {}


def _message(role: str, text: str, images: Sequence[Json]) -> Json:
    if not images:
        return {"role": role, "content": text}
    return {"role": role, "content": [*images, *([{"type": "text", "text": text}] if text else [])]}


def _rounds(model: str, rounds: Sequence[ToolRound], numbers: Mapping[str, int]) -> Iterator[Json]:
    for one in rounds:
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _ENCODER.encode(call.arguments or {})},
            }
            for call in one.calls
        ]
        said: Json = {"role": "assistant", "content": one.text, "tool_calls": calls}
        if isinstance(one.said, Said) and one.said.model == model:
            said[one.said.field] = one.said.text
        yield said
        for result in one.results:
            text = "\n\n".join(filter(None, (listed(result.sections, numbers), result.text.strip())))
            yield {"role": "tool", "tool_call_id": result.call_id, "content": text}


def _rounds_in_words(model: str, rounds: Sequence[ToolRound], numbers: Mapping[str, int]) -> Iterator[Json]:
    """For a model that knows no tools, and goes on where another one broke off."""
    for one in rounds:
        yield {"role": "assistant", "content": one.text.strip() or "I am looking that up."}
        results = (listed(result.sections, numbers) or result.text for result in one.results)
        yield {"role": "user", "content": "\n\n".join(["[What was looked up; go on with the answer]", *results])}


def _tool(tool: ToolSpec) -> Json:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _has_content(message: ModelMessage) -> bool:
    return bool(message.text.strip() or (message.images and message.role == "user"))


def _image(image: Any) -> Json:
    if (data := in_base64(image)) is None:
        return {"type": "text", "text": LEFT_OUT}
    return {"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{data}"}}

"""Turns a `ModelRequest` into the body of a Messages API call, stable to the byte at its start."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from bot.chat import Source
from bot.errors import ModelRejected
from bot.llm.anthropic.blocks import Said
from bot.llm.anthropic.dialect import CACHE, EFFORT, SEARCH_RESULTS, THINKING, TOOL_CHOICE
from bot.llm.base import Image, ModelMessage, ModelRequest, ToolResult, ToolRound, ToolSpec
from bot.llm.dialect import NOTHING, Without
from bot.llm.images import LEFT_OUT, in_base64
from bot.llm.numbered import RULE, asks_for_marks, listed, name_of, numbers_of
from bot.llm.wire import Body

THINKING_ROOM = 4096
"""Tokens added to `max_tokens` for a model that thinks: its thoughts count as output."""

Json = dict[str, Any]
Effort = Literal["low", "medium", "high", "xhigh", "max"]
Thinking = Literal["disabled", "between_tools", "adaptive"]

_BREAKPOINT = {"type": "ephemeral"}
# Where the sections belong: the first place that reads so. No text can hold it: inside a JSON string every
# quotation mark is escaped.
_HERE: Json = {"sections": "here"}
_HERE_ENCODED = '{"sections":"here"}'
_SECTIONS_KEPT = 8
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class BodyEncoder:
    """Bodies in bytes. The sections, which most turns have in common and which are most of a body, are
    encoded once: the SDK would copy, look through and encode each of them in every turn.

    Who asks with the same sections hands in the same tuple; it is told by its identity, since comparing a
    hundred sections would take longer than all the rest.
    """

    def __init__(self, model: str, *, effort: Effort | None = None, thinking: Thinking | None = None) -> None:
        self._model = model
        self._settings = settings_for(model, effort, thinking)
        self._known: dict[tuple[int, Without], Encoded] = {}

    def sections(self, sections: tuple[Source, ...], without: Without = NOTHING) -> "Encoded":
        """The sections as they are sent."""
        key = id(sections), without & {CACHE, SEARCH_RESULTS}
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _SECTIONS_KEPT:
                del self._known[next(iter(self._known))]
            # It holds the tuple, so that no other one can have its identity.
            known = self._known[key] = Encoded.of(sections, without)
        return known

    def encode(self, request: ModelRequest, *, without: Without = NOTHING, paused: Said | None = None) -> Body:
        """`build_body` as UTF-8, for a stream. Raises as it does, and `UnicodeEncodeError`."""
        sections = self.sections(request.sections, without).data
        body = _body(self._model, request, [_HERE] if sections else [], self._settings, without)
        if paused is not None:
            body["messages"].append({"role": "assistant", "content": list(paused.blocks)})
        whole = _dumps({**body, "stream": True})
        # What a model wrote as arguments of a tool may look like the place: it stands behind it, if there is one.
        head, _, tail = whole.partition(_HERE_ENCODED) if sections else (whole, "", "")
        return Body(head.encode(), sections, tail.encode())


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sections, their ids, and the bytes that tell a model of them."""

    sections: tuple[Source, ...]
    ids: Mapping[str, int]
    """Each with its number."""
    data: bytes

    @classmethod
    def of(cls, sections: tuple[Source, ...], without: Without = NOTHING) -> Self:
        ids = numbers_of(section.section_id for section in sections)
        return cls(sections, ids, _dumps(_shared(sections, ids, without))[1:-1].encode())


def build_body(
    model: str, request: ModelRequest, *, without: Without = NOTHING, settings: Mapping[str, Any] | None = None
) -> Json:
    """The body. `without` leaves out what an endpoint does not know; `settings` are those of `settings_for`.

    The order is: tools, system, sections, history, question, what was found for it, context, and what happened
    since (calls of tools and their results). Everything up to the question is the same in the next turn, so the
    cache is written there and behind the sections. Raises `ModelRejected` when there is nothing to answer.
    """
    sections = _shared(request.sections, numbers_of(request.known), without)
    return _body(model, request, sections, quick_settings(model) if settings is None else settings, without)


def _body(
    model: str, request: ModelRequest, sections: Sequence[Json], settings: Mapping[str, Any], without: Without
) -> Json:
    sent = {name: value for name, value in settings.items() if _PART_OF[name] not in without}
    thinks = bool(settings) and sent.get("thinking", {}).get("type", "adaptive") == "adaptive"
    numbers = numbers_of(request.known) if SEARCH_RESULTS in without else None
    body: Json = {
        "model": model,
        "max_tokens": request.max_tokens + (THINKING_ROOM if thinks else 0),
        "messages": [
            *_messages(request, sections, numbers, without),
            *_rounds(model, request.rounds, numbers),
        ],
        **sent,
    }
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if not request.may_call and TOOL_CHOICE not in without:
            body["tool_choice"] = {"type": "none"}
    rule = RULE if numbers is not None and asks_for_marks(request) else ""
    text = "\n\n".join(filter(None, (request.system.strip() and request.system, rule)))
    if text:
        system: Json = {"type": "text", "text": text}
        if not sections:
            _mark(system, without)
        body["system"] = [system]
    return body


_PART_OF = {"thinking": THINKING, "output_config": EFFORT}


def settings_for(model: str, effort: Effort | None = None, thinking: Thinking | None = None) -> Json:
    """The settings of a model: those that were chosen, else those of `quick_settings`."""
    settings = quick_settings(model)
    if effort in ("xhigh", "max") and settings.get("thinking", {}).get("type") in ("disabled", "between_tools"):
        del settings["thinking"]  # the API refuses the two together
    if effort is not None:
        settings["output_config"] = {"effort": effort}
    if thinking is not None:
        settings["thinking"] = {"type": thinking}
    return settings


def quick_settings(model: str) -> Json:
    """Thinking and effort that bring the first word soonest, by model family.

    Haiku 5.5, Sonnet 5 and Opus 5 can be told not to think; Sonnet 5.5 takes `between_tools` instead and
    answers 400 to `disabled`; the others always think, briefly at low effort. Models of the 4 series do not
    think unless asked. Source: the migration guides on platform.claude.com/docs/en/models.
    """
    found = re.search(r"claude-([a-z]+)-(\d+)(?:[-.](\d{1,2})(?!\d))?", model)
    if not found or int(found[2]) < 5:
        return {}
    family, version = found[1], (int(found[2]), int(found[3] or 0))
    low: Json = {"output_config": {"effort": "low"}}
    if (version == (5, 0) and family in ("sonnet", "opus")) or (family, version) == ("haiku", (5, 5)):
        return {"thinking": {"type": "disabled"}, **low}
    if (family, version) == ("sonnet", (5, 5)):
        return {"thinking": {"type": "between_tools"}, **low}
    return low


def _messages(
    request: ModelRequest, sections: Sequence[Json], numbers: Mapping[str, int] | None, without: Without
) -> list[Json]:
    if not request.messages or request.messages[-1].role != "user" or not _content(request.messages[-1]):
        raise ModelRejected("The turn has neither words nor pictures: there is nothing to answer.")
    messages: list[Json] = []
    if sections:
        messages.append({"role": "user", "content": [*sections]})
    for message in request.messages:
        content = _content(message)
        if not content or (not messages and message.role == "assistant"):
            continue
        if messages and messages[-1]["role"] == message.role:
            messages[-1]["content"].extend(content)
        else:
            messages.append({"role": message.role, "content": content})
    last = messages[-1]["content"]
    _mark(last[-1], without)
    last.extend(_sections(request.found, numbers))
    if request.context.strip():
        last.append({"type": "text", "text": request.context})
    return messages


def _rounds(model: str, rounds: Sequence[ToolRound], numbers: Mapping[str, int] | None) -> Iterator[Json]:
    for one in rounds:
        yield {"role": "assistant", "content": _said(model, one)}
        yield {"role": "user", "content": [_tool_result(result, numbers) for result in one.results]}


def _said(model: str, one: ToolRound) -> list[Json]:
    """What the model said, as it said it; what another model said without the thoughts that are its own."""
    if isinstance(one.said, Said) and one.said.model == model:
        return list(one.said.blocks)
    blocks: list[Json] = [{"type": "text", "text": one.text}] if one.text.strip() else []
    for call in one.calls:
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments or {}})
    return blocks


def _tool(tool: ToolSpec) -> Json:
    return {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}


def _tool_result(result: ToolResult, numbers: Mapping[str, int] | None) -> Json:
    content = _sections(result.sections, numbers)
    if result.text.strip():
        content.append({"type": "text", "text": result.text})
    block: Json = {"type": "tool_result", "tool_use_id": result.call_id, "content": content}
    return {**block, "is_error": True} if result.is_error else block


def _shared(sections: Sequence[Source], numbers: Mapping[str, int], without: Without) -> list[Json]:
    """The sections that all turns have in common; the cache is written behind them."""
    blocks = _sections(sections, numbers if SEARCH_RESULTS in without else None)
    if blocks:
        _mark(blocks[-1], without)
    return blocks


def _sections(sections: Sequence[Source], numbers: Mapping[str, int] | None) -> list[Json]:
    """Sections as search results, which are cited; or as one text with their numbers."""
    if numbers is None:
        return [_search_result(section) for section in sections if section.text.strip()]
    text = listed(sections, numbers)
    return [{"type": "text", "text": text}] if text else []


def _mark(block: Json, without: Without) -> None:
    if CACHE not in without:
        block["cache_control"] = _BREAKPOINT


def _search_result(section: Source) -> Json:
    return {
        "type": "search_result",
        "source": section.section_id,
        "title": name_of(section),
        "content": [{"type": "text", "text": section.text}],
        "citations": {"enabled": True},
    }


def _content(message: ModelMessage) -> list[Json]:
    blocks = [_image(image) for image in message.images] if message.role == "user" else []
    if message.text.strip():
        blocks.append({"type": "text", "text": message.text})
    return blocks


def _dumps(value: object) -> str:
    return _ENCODER.encode(value)


def _image(image: Image) -> Json:
    if (data := in_base64(image)) is None:
        return {"type": "text", "text": LEFT_OUT}
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": data}}

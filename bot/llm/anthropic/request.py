"""Turns a `ModelRequest` into the body of a Messages API call, stable to the byte at its start."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from bot.chat import Source
from bot.errors import ModelRejected
from bot.llm.anthropic.blocks import Said
from bot.llm.base import Image, ModelMessage, ModelRequest, ToolResult, ToolRound, ToolSpec

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
MAX_IMAGE_BYTES = 5 * 1024 * 1024
"""The API refuses a request with a larger one."""
THINKING_ROOM = 4096
"""Tokens added to `max_tokens` for a model that thinks: its thoughts count as output."""

Json = dict[str, Any]

_BREAKPOINT = {"type": "ephemeral"}
# Where the sections belong: the first place that reads so. No text can hold it: inside a JSON string every
# quotation mark is escaped.
_HERE: Json = {"sections": "here"}
_HERE_ENCODED = '{"sections":"here"}'
_SECTIONS_KEPT = 8
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_LEFT_OUT = "[picture left out: too large, or of a kind that cannot be read]"


class Body:
    """A body as UTF-8 in pieces, of which the longest is shared by all requests that have it in common."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.length = sum(map(len, pieces))

    def whole(self) -> bytes:
        return b"".join(self._pieces)


class BodyEncoder:
    """Bodies in bytes. The sections, which most turns have in common and which are most of a body, are
    encoded once: the SDK would copy, look through and encode each of them in every turn.

    Who asks with the same sections hands in the same tuple; it is told by its identity, since comparing a
    hundred sections would take longer than all the rest.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._known: dict[int, Encoded] = {}

    def sections(self, sections: tuple[Source, ...]) -> "Encoded":
        """The sections as they are sent."""
        known = self._known.get(id(sections))
        if known is None:
            if len(self._known) >= _SECTIONS_KEPT:
                del self._known[next(iter(self._known))]
            # It holds the tuple, so that no other one can have its identity.
            known = self._known[id(sections)] = Encoded.of(sections)
        return known

    def encode(self, request: ModelRequest, *, tuned: bool = True) -> Body:
        """`build_body` as UTF-8, for a stream. Raises as it does, and `UnicodeEncodeError`."""
        sections = self.sections(request.sections).data
        body = _body(self._model, request, [_HERE] if sections else [], tuned=tuned)
        whole = _dumps({**body, "stream": True})
        # What a model wrote as arguments of a tool may look like the place: it stands behind it, if there is one.
        head, _, tail = whole.partition(_HERE_ENCODED) if sections else (whole, "", "")
        return Body(head.encode(), sections, tail.encode())


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sections, their ids, and the bytes that tell a model of them."""

    sections: tuple[Source, ...]
    ids: frozenset[str]
    data: bytes

    @classmethod
    def of(cls, sections: tuple[Source, ...]) -> Self:
        data = _dumps(_search_results(sections))[1:-1].encode()
        return cls(sections, frozenset(section.section_id for section in sections), data)


def build_body(model: str, request: ModelRequest, *, tuned: bool = True) -> Json:
    """The body. `tuned` False leaves out thinking and effort, for endpoints that do not know them.

    The order is: tools, system, sections, history, question, what was found for it, context, and what happened
    since (calls of tools and their results). Everything up to the question is the same in the next turn, so the
    cache is written there and behind the sections. Raises `ModelRejected` when there is nothing to answer.
    """
    return _body(model, request, _search_results(request.sections), tuned=tuned)


def _body(model: str, request: ModelRequest, sections: Sequence[Json], *, tuned: bool) -> Json:
    settings = quick_settings(model)
    thinks = bool(settings) and not (tuned and "thinking" in settings)
    body: Json = {
        "model": model,
        "max_tokens": request.max_tokens + (THINKING_ROOM if thinks else 0),
        "messages": [*_messages(request, sections), *_rounds(model, request.rounds)],
        **(settings if tuned else {}),
    }
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if not request.may_call:
            body["tool_choice"] = {"type": "none"}
    if request.system.strip():
        system: Json = {"type": "text", "text": request.system}
        if not sections:
            system["cache_control"] = _BREAKPOINT
        body["system"] = [system]
    return body


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
    low = {"output_config": {"effort": "low"}}
    if (version == (5, 0) and family in ("sonnet", "opus")) or (family, version) == ("haiku", (5, 5)):
        return {"thinking": {"type": "disabled"}, **low}
    if (family, version) == ("sonnet", (5, 5)):
        return {"thinking": {"type": "between_tools"}, **low}
    return low


def _messages(request: ModelRequest, sections: Sequence[Json]) -> list[Json]:
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
    last[-1]["cache_control"] = _BREAKPOINT
    last.extend(_search_result(section) for section in request.found if section.text.strip())
    if request.context.strip():
        last.append({"type": "text", "text": request.context})
    return messages


def _rounds(model: str, rounds: Sequence[ToolRound]) -> Iterator[Json]:
    for one in rounds:
        yield {"role": "assistant", "content": _said(model, one)}
        yield {"role": "user", "content": [_tool_result(result) for result in one.results]}


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


def _tool_result(result: ToolResult) -> Json:
    content = [_search_result(section) for section in result.sections if section.text.strip()]
    if result.text.strip():
        content.append({"type": "text", "text": result.text})
    block: Json = {"type": "tool_result", "tool_use_id": result.call_id, "content": content}
    return {**block, "is_error": True} if result.is_error else block


def _search_results(sections: Sequence[Source]) -> list[Json]:
    blocks = [_search_result(section) for section in sections if section.text.strip()]
    if blocks:
        blocks[-1]["cache_control"] = _BREAKPOINT
    return blocks


def _search_result(section: Source) -> Json:
    return {
        "type": "search_result",
        "source": section.section_id,
        "title": ": ".join(filter(None, (section.title, section.heading))) or section.section_id,
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
    if image.media_type not in IMAGE_TYPES or not 0 < len(image.data) <= MAX_IMAGE_BYTES:
        return {"type": "text", "text": _LEFT_OUT}
    data = base64.b64encode(image.data).decode("ascii")
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": data}}

"""What the Messages API (version 2026-10-21) accepts, and how it refuses the rest."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.servers.anthropic.models import thinking_types
from tests.servers.anthropic.stream import signature

Body = Mapping[str, Any]

FIELDS = {
    "cache_control", "container", "diagnostics", "inference_geo", "max_tokens", "messages", "metadata", "model",
    "output_config", "service_tier", "speed", "stop_sequences", "stream", "system", "thinking", "tool_choice", "tools",
}  # fmt: skip
BLOCK_FIELDS = {
    "text": {"text", "citations"},
    "image": {"source"},
    "search_result": {"source", "title", "content", "citations"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
    "tool_use": {"id", "name", "input", "caller", "toolset_name"},
    "tool_result": {"tool_use_id", "content", "is_error"},
    "document": {"source", "title", "context", "citations"},
}
SIGNATURES = {
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
MAX_IMAGE_BYTES = 5 * 1024 * 1024
MAX_BREAKPOINTS = 4
TOOL_FIELDS = {
    "name", "description", "input_schema", "strict", "defer_loading", "eager_input_streaming", "input_examples",
    "cache_control", "type", "allowed_callers",
}  # fmt: skip
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
RESULT_CONTENT = ("text", "image", "search_result", "document")
EFFORTS = ("low", "medium", "high", "xhigh", "max")


class Refused(Exception):
    """The API answers with this error instead of a message."""

    def __init__(self, message: str, status: int = 400, kind: str = "invalid_request_error") -> None:
        self.status = status
        self.kind = kind
        self.message = message
        super().__init__(message)


OF_2023 = {
    "max_tokens", "messages", "metadata", "model", "stop_sequences", "stream", "system", "temperature", "tool_choice",
    "tools", "top_k", "top_p",
}  # fmt: skip


def check_body(body: object, *, older: bool = False, of_2023: bool = False, goes_on: bool = False) -> None:
    """Raise `Refused` for what the API would refuse. `older`: as a gateway that knows no tuning; `of_2023`: as one that
    knows nothing that came after the first version. `goes_on`: a turn that was paused is sent back."""
    if not isinstance(body, dict):
        raise Refused("Input should be a valid dictionary")
    for name in body:
        if name in ("temperature", "top_p", "top_k") and not older:
            raise Refused(f"`{name}` is not supported on this API version.")
        if name not in FIELDS | ({"temperature", "top_p", "top_k"} if older else set()):
            raise Refused(f"{name}: Extra inputs are not permitted")
        if older and name in ("output_config", "cache_control", "diagnostics", "speed"):
            raise Refused(f"{name}: Extra inputs are not permitted")
    if of_2023:
        _check_of_2023(body)
    _check_scalars(body)
    _check_thinking(body, older=older)
    _check_tools(body)
    _check_system(body.get("system"))
    _check_messages(body, goes_on=goes_on)
    _check_breakpoints(body)


def _check_of_2023(body: Body) -> None:
    for name in body:
        if name not in OF_2023:
            raise Refused(f"{name}: Extra inputs are not permitted")
    if isinstance(body.get("tool_choice"), dict) and body["tool_choice"].get("type") not in ("auto", "any", "tool"):
        raise Refused("tool_choice: Input tag 'none' found using 'type' does not match any of the expected tags")
    for place in ("system", "messages"):
        if "cache_control" in str(body.get(place)):
            raise Refused(f"{place}.0.cache_control: Extra inputs are not permitted")
    if next(_blocks(body, "search_result"), None):
        raise Refused("messages.0.content.0: Input tag 'search_result' found using 'type' does not match any of 'text'")


def _check_scalars(body: Body) -> None:
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            raise Refused(f"{name}: Field required")
    if not isinstance(body["model"], str) or not body["model"]:
        raise Refused("model: Input should be a valid string")
    if not isinstance(body["max_tokens"], int) or isinstance(body["max_tokens"], bool):
        raise Refused("max_tokens: Input should be a valid integer")
    if body["max_tokens"] < 1:
        raise Refused("max_tokens: Input should be greater than or equal to 1")
    if body["max_tokens"] > 128_000:
        raise Refused(f"max_tokens: {body['max_tokens']} > 128000, which is the maximum for {body['model']}")
    if not isinstance(body.get("stream", False), bool):
        raise Refused("stream: Input should be a valid boolean")
    _check_only("metadata", body.get("metadata"), {"user_id"})


def _check_thinking(body: Body, *, older: bool) -> None:
    thinking, effort = body.get("thinking"), None
    if "output_config" in body:
        _check_only("output_config", body["output_config"], {"effort", "format"})
        effort = body["output_config"].get("effort")
        if effort not in (None, *EFFORTS):
            raise Refused(f"output_config.effort: Input should be one of {', '.join(EFFORTS)}")
        if not thinking_types(body["model"]) & {"adaptive"}:
            raise Refused(f"This model does not support the effort parameter: {body['model']}")
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in ("enabled", "disabled", *(() if older else ("adaptive", "between_tools"))):
        raise Refused(f"thinking: Input tag {kind!r} found using 'type' does not match any of the expected tags")
    _check_only("thinking", thinking, {"type", "display"} | ({"budget_tokens"} if kind == "enabled" else set()))
    if not older and kind not in thinking_types(body["model"]):
        raise Refused(f'"thinking.type.{kind}" is not supported for this model.')
    if kind in ("disabled", "between_tools") and effort in ("xhigh", "max"):
        raise Refused(f"thinking.type.{kind} is not supported with effort {effort}")
    if kind == "enabled" and not 1024 <= thinking.get("budget_tokens", 0) < body["max_tokens"]:
        raise Refused("thinking.budget_tokens: must be at least 1024 and less than max_tokens")


def _check_tools(body: Body) -> None:
    tools = body.get("tools", [])
    if not isinstance(tools, list):
        raise Refused("tools: Input should be a valid list")
    for index, tool in enumerate(tools):
        _check_tool(f"tools.{index}", tool)
    if len({tool["name"] for tool in tools}) < len(tools):
        raise Refused("tools: Tool names must be unique.")
    choice = body.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in ("auto", "any", "tool", "none"):
        raise Refused(f"tool_choice: Input tag {kind!r} found using 'type' does not match any of the expected tags")
    if kind in ("any", "tool") and "5-5" in body["model"]:
        raise Refused("tool_choice: forced tool use is not supported for this model.")
    if not tools:
        raise Refused("tool_choice: may only be specified while providing tools")


def _check_tool(where: str, tool: object) -> None:
    _check_only(where, tool, TOOL_FIELDS)
    if not isinstance(tool, dict) or not isinstance(tool.get("name"), str) or not TOOL_NAME.fullmatch(tool["name"]):
        raise Refused(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    schema = tool.get("input_schema")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise Refused(f"{where}.input_schema.type: Field required")
    if not isinstance(tool.get("description", ""), str):
        raise Refused(f"{where}.description: Input should be a valid string")


def _check_system(system: object) -> None:
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise Refused("system: Input should be a valid list")
    for index, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text":
            raise Refused(f"system.{index}.type: Input should be 'text'")
        _check_block(f"system.{index}", block, "system")


def _check_messages(body: Body, *, goes_on: bool) -> None:
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        raise Refused("messages: at least one message is required")
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        _check_only(where, message, {"role", "content"})
        if message.get("role") not in ("user", "assistant", "system"):
            raise Refused(f"{where}.role: Input should be 'user', 'assistant' or 'system'")
        _check_content(where, message, body["model"])
    if messages[0]["role"] != "user":
        raise Refused('messages: first message must use the "user" role')
    if messages[-1]["role"] == "assistant" and not goes_on:
        raise Refused(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    _check_calls(body)
    enabled = {bool(block.get("citations", {}).get("enabled")) for block in _blocks(body, "search_result")}
    if len(enabled) > 1:
        raise Refused("citations: must be enabled for all search_result blocks or for none")


def _check_calls(body: Body) -> None:
    """Every call is answered in the message behind it, before anything else there, and nothing else is."""
    open_calls: list[str] = []
    seen: set[str] = set()
    for index, message in enumerate(body["messages"]):
        blocks = message["content"] if isinstance(message["content"], list) else []
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if (results or open_calls) and not body.get("tools"):
            raise Refused("Requests which have `tool_use` or `tool_result` blocks in history must define tools.")
        for call_id in results:
            if call_id not in open_calls:
                raise Refused(
                    f"messages.{index}.content: unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. "
                    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
        if len(set(results)) < len(results):
            raise Refused(f"messages.{index}.content: each tool_use must have a single result.")
        leading = [block for block in blocks[: len(results)] if block["type"] == "tool_result"]
        if missing := set(open_calls) - set(results) or (open_calls if len(leading) < len(results) else []):
            raise Refused(
                f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(sorted(missing))}."
            )
        open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if len({*seen, *open_calls}) < len(seen) + len(open_calls):
            raise Refused(f"messages.{index}: `tool_use` ids must be unique")
        seen.update(open_calls)


def _check_content(where: str, message: Body, model: str) -> None:
    content = message.get("content")
    if isinstance(content, str):
        if not content.strip():
            raise Refused(f"{where}: {message['role']} messages must have non-empty content")
        return
    if not isinstance(content, list):
        raise Refused(f"{where}.content: Input should be a valid list")
    if not content:
        raise Refused(f"{where}: {message['role']} messages must have non-empty content")
    for index, block in enumerate(content):
        _check_block(f"{where}.content.{index}", block, message["role"])
        if block["type"] == "thinking" and block.get("signature") != signature(model, block.get("thinking", "")):
            raise Refused(f"{where}.content.{index}: Invalid `signature` in `thinking` block")


def _check_block(where: str, block: object, role: str) -> None:
    if not isinstance(block, dict) or block.get("type") not in BLOCK_FIELDS:
        kind = block.get("type") if isinstance(block, dict) else block
        raise Refused(f"{where}: Input tag {kind!r} found using 'type' does not match any of the expected tags")
    kind = block["type"]
    _check_only(where, block, {"type", "cache_control"} | BLOCK_FIELDS[kind])
    if block.get("cache_control") is not None:
        _check_cache_control(where, block["cache_control"])
    if kind == "text":
        _check_text(where, block)
        if block.get("citations") and role == "user":
            raise Refused(f"{where}.citations: Extra inputs are not permitted")
    elif role == "assistant" and kind in ("image", "search_result", "document"):
        raise Refused(f"{where}: '{kind}' blocks are not permitted in assistant messages")
    elif kind == "image":
        _check_image(f"{where}.source", block.get("source"))
    elif kind == "search_result":
        _check_search_result(where, block)
    elif kind in ("tool_use", "tool_result"):
        if role != ("assistant" if kind == "tool_use" else "user"):
            raise Refused(f"{where}: `{kind}` blocks are not permitted in {role} messages")
        _check_tool_use(where, block) if kind == "tool_use" else _check_tool_result(where, block)


def _check_text(where: str, block: Body) -> None:
    if not isinstance(block.get("text"), str):
        raise Refused(f"{where}.text: Input should be a valid string")
    if not block["text"]:
        raise Refused("messages: text content blocks must be non-empty")
    if not block["text"].strip():
        raise Refused("messages: text content blocks must contain non-whitespace text")


def _check_image(where: str, source: object) -> None:
    if not isinstance(source, dict) or source.get("type") not in ("base64", "url", "file"):
        raise Refused(f"{where}.type: Input should be 'base64', 'url' or 'file'")
    if source["type"] != "base64":
        return
    if source.get("media_type") not in SIGNATURES:
        raise Refused(f"{where}.media_type: Input should be one of {', '.join(SIGNATURES)}")
    try:
        data = base64.b64decode(source.get("data", ""), validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Refused(f"{where}.data: invalid base64 data") from None
    if len(data) > MAX_IMAGE_BYTES:
        raise Refused(f"{where}: image exceeds 5 MB maximum: {len(data)} bytes > {MAX_IMAGE_BYTES} bytes")
    if not data.startswith(SIGNATURES[source["media_type"]]):
        raise Refused(f"{where}: the image does not match the provided media type {source['media_type']}")


def _check_search_result(where: str, block: Body) -> None:
    for name in ("source", "title"):
        if not isinstance(block.get(name), str) or not block[name]:
            raise Refused(f"{where}.{name}: Field required")
    _check_only(f"{where}.citations", block.get("citations"), {"enabled"})
    content = block.get("content")
    if not isinstance(content, list) or not content:
        raise Refused(f"{where}.content: at least one text block is required")
    for index, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") != "text":
            raise Refused(f"{where}.content.{index}.type: Input should be 'text'")
        _check_only(f"{where}.content.{index}", part, {"type", "text"})
        _check_text(f"{where}.content.{index}", part)


def _check_tool_use(where: str, block: Body) -> None:
    for name in ("id", "name"):
        if not isinstance(block.get(name), str) or not TOOL_NAME.fullmatch(block[name]):
            raise Refused(f"{where}.{name}: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not isinstance(block.get("input"), dict):
        raise Refused(f"{where}.input: Input should be a valid dictionary")


def _check_tool_result(where: str, block: Body) -> None:
    if not isinstance(block.get("tool_use_id"), str):
        raise Refused(f"{where}.tool_use_id: Field required")
    content = block.get("content", "")
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise Refused(f"{where}.content: Input should be a valid list")
    for index, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") not in RESULT_CONTENT:
            raise Refused(f"{where}.content.{index}: Input tag does not match any of the expected tags")
        if block.get("is_error") and part["type"] != "text":
            raise Refused(f"{where}: all content must be type text if `is_error` is true")
        _check_block(f"{where}.content.{index}", part, "user")


def _check_cache_control(where: str, control: object) -> None:
    _check_only(f"{where}.cache_control", control, {"type", "ttl"})
    if not isinstance(control, dict) or control.get("type") != "ephemeral":
        raise Refused(f"{where}.cache_control.type: Input should be 'ephemeral'")
    if control.get("ttl", "5m") not in ("5m", "1h"):
        raise Refused(f"{where}.cache_control.ttl: Input should be '5m' or '1h'")


def _check_breakpoints(body: Body) -> None:
    count = sum("cache_control" in block for block in _blocks(body)) + ("cache_control" in body)
    if count > MAX_BREAKPOINTS:
        raise Refused(f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {count}.")


def _check_only(where: str, value: object, allowed: set[str]) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise Refused(f"{where}: Input should be a valid dictionary")
    for name in value:
        if name not in allowed:
            raise Refused(f"{where}.{name}: Extra inputs are not permitted")


def _blocks(body: Body, kind: str | None = None) -> Iterator[Body]:
    system = body.get("system")
    groups = [system] if isinstance(system, list) else []
    groups += [message["content"] for message in body["messages"] if isinstance(message["content"], list)]
    groups += [
        block["content"]
        for group in groups
        for block in group
        if block["type"] == "tool_result" and isinstance(block.get("content"), list)
    ]
    groups.append([{"type": "tool", **tool} for tool in body.get("tools", ())])
    for group in groups:
        yield from (block for block in group if kind is None or block["type"] == kind)

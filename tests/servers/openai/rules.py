"""What a chat completions API accepts, and how it refuses the rest."""

import base64
import binascii
import json
import re
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

Body = Mapping[str, Any]

FIELDS = {
    "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "messages", "metadata",
    "model", "n", "parallel_tool_calls", "presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format",
    "seed", "service_tier", "stop", "store", "stream", "stream_options", "temperature", "tool_choice", "tools",
    "top_logprobs", "top_p", "user", "verbosity",
}  # fmt: skip
MESSAGE_FIELDS = {
    "system": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls", "refusal", "reasoning_content"},
    "tool": {"role", "content", "tool_call_id"},
}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
DATA_URL = re.compile(r"data:image/(png|jpeg|gif|webp);base64,(.*)", re.DOTALL)
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")


class Refused(Exception):
    """The API answers with this error instead of a message."""

    def __init__(self, message: str, status: int = 400, *, param: str | None = None, code: str | None = None) -> None:
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        super().__init__(message)


def check_body(body: object, *, unknown: Collection[str] = ()) -> None:
    """Raise `Refused` for what the API would refuse. `unknown`: fields that it does not know, `system` or `tools`."""
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request.")
    for name in body:
        if name in unknown and name != "tools":
            raise Refused(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
        if name not in FIELDS:
            raise Refused(f"Unrecognized request argument supplied: {name}", param=None)
    if "tools" in unknown and body.get("tools"):
        raise Refused(f"registry.ollama.ai/library/{body.get('model')} does not support tools")
    _check_scalars(body)
    _check_tools(body)
    _check_messages(body, has_system="system" not in unknown)


def _check_scalars(body: Body) -> None:
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Refused("you must provide a model parameter")
    if body["model"].startswith(("gpt-5", "o3", "o4")) and "max_tokens" in body:
        raise Refused(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    for name in ("max_tokens", "max_completion_tokens"):
        if name in body and (type(body[name]) is not int or not 1 <= body[name] <= 128_000):
            raise Refused(f"Invalid '{name}': integer out of range.", param=name)
    if not isinstance(body.get("stream", False), bool):
        raise Refused("Invalid type for 'stream': expected a boolean.", param="stream")
    if "stream_options" in body:
        if not body.get("stream"):
            raise Refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
        if set(body["stream_options"]) - {"include_usage", "include_obfuscation"}:
            raise Refused("Unknown parameter: 'stream_options'.", param="stream_options")
    if body.get("reasoning_effort") not in (None, *EFFORTS):
        raise Refused(f"Invalid value: '{body['reasoning_effort']}'.", param="reasoning_effort")


def _check_tools(body: Body) -> None:
    tools = body.get("tools")
    if "tool_choice" in body and not tools:
        raise Refused("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    if tools is None:
        return
    if not isinstance(tools, list) or not tools:
        raise Refused("Invalid 'tools': empty array.", param="tools")
    for index, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) and set(tool) == {"type", "function"} else None
        if not isinstance(function, dict) or not NAME.fullmatch(str(function.get("name"))):
            raise Refused(f"Missing required parameter: 'tools[{index}].function.name'.", param="tools")
        if function.get("parameters", {}).get("type") != "object":
            raise Refused(f"Invalid schema for function '{function['name']}': schema must be an object.", param="tools")
    if isinstance(body.get("tool_choice"), str) and body["tool_choice"] not in ("none", "auto", "required"):
        raise Refused("Invalid value for 'tool_choice'.", param="tool_choice")


def _check_messages(body: Body, *, has_system: bool) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("Invalid 'messages': empty array.", param="messages")
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        where, role = f"messages[{index}]", message.get("role") if isinstance(message, dict) else None
        if role not in MESSAGE_FIELDS:
            raise Refused(f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user' and 'tool'.")
        if role == "system" and (not has_system or index):
            raise Refused("System role not supported" if not has_system else "System message must be at the beginning.")
        if extra := set(message) - MESSAGE_FIELDS[role]:
            raise Refused(f"Unknown parameter: '{where}.{min(extra)}'.", param=where)
        if role == "tool" and message.get("tool_call_id") not in open_calls:
            raise Refused("messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
        if role == "tool":
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            raise Refused("An assistant message with 'tool_calls' must be followed by tool messages.", param=where)
        _check_content(where, message)
        if role == "assistant":
            open_calls = _calls_of(where, message)
    if open_calls:
        raise Refused("An assistant message with 'tool_calls' must be followed by tool messages responding to each.")
    roles = [message["role"] for message in messages if message["role"] in ("user", "assistant")]
    if any(one == other == "user" for one, other in pairwise(roles)):
        raise Refused("Conversation roles must alternate user/assistant/user/assistant/...")


def _check_content(where: str, message: Body) -> None:
    content = message.get("content")
    if isinstance(content, str):
        if message["role"] == "user" and not content.strip():
            raise Refused(f"Invalid '{where}.content': empty string.", param=where)
        return
    if not isinstance(content, list) or not content or message["role"] != "user":
        raise Refused(f"Invalid type for '{where}.content': expected one of a string or array of objects.", param=where)
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str) and part["text"]:
            continue
        found = DATA_URL.fullmatch(part["image_url"]["url"]) if kind == "image_url" else None
        try:
            if found is None or not base64.b64decode(found[2], validate=True):
                raise Refused("You uploaded an unsupported image.", code="invalid_image_format")
        except binascii.Error:
            raise Refused("Invalid base64 image_url.", param=where) from None


def _calls_of(where: str, message: Body) -> list[str]:
    calls = message.get("tool_calls", [])
    if "tool_calls" in message and not calls:
        raise Refused(f"Invalid '{where}.tool_calls': empty array.", param=where)
    for call in calls:
        function = call.get("function", {})
        if call.get("type") != "function" or not NAME.fullmatch(str(function.get("name"))) or not call.get("id"):
            raise Refused(f"Missing required parameter: '{where}.tool_calls[0].function.name'.", param=where)
        try:
            if not isinstance(json.loads(function["arguments"]), dict):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise Refused(f"Invalid '{where}.tool_calls[0].function.arguments'.", param=where) from None
    ids = [call["id"] for call in calls]
    if len(set(ids)) < len(ids):
        raise Refused(f"Duplicate value for 'tool_call_id' in '{where}'.", param=where)
    return ids

"""What Claude said before it waits for its tools: kept block by block, to be handed back untouched."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import ModelUnavailable
from bot.llm.base import ToolCall

MAX_ARGUMENTS = 64 * 1024
"""Characters of JSON; what is longer is not kept."""
MAX_CALLS = 1000
_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_GROWING = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """The blocks of an answer, thoughts and their signatures included: these only the same model takes back."""

    model: str
    blocks: tuple[Json, ...]


class Blocks:
    """Collects the content blocks of one message. All others need no more of them than their text."""

    def __init__(self) -> None:
        self.calls: list[ToolCall] = []
        self._blocks: list[Json] = []
        self._open: Json | None = None
        self._grown: dict[str, list[str]] = {}
        self._length = 0

    def start(self, block: Mapping[str, Any]) -> None:
        """A block begins."""
        self._open, self._grown, self._length = dict(block), {}, 0

    def delta(self, delta: Mapping[str, Any]) -> None:
        """The open block goes on."""
        if self._open is None:
            return
        kind = delta.get("type")
        if kind == "input_json_delta":
            piece = delta.get("partial_json")
            if isinstance(piece, str) and self._length <= MAX_ARGUMENTS:
                self._length += len(piece)
                self._grown.setdefault("input", []).append(piece)
        elif kind == "citations_delta":
            self._open["citations"] = [*(self._open.get("citations") or ()), delta.get("citation")]
        elif (name := _GROWING.get(str(kind))) and isinstance(delta.get(name), str):
            self._grown.setdefault(name, []).append(delta[name])

    def stop(self) -> ToolCall | None:
        """The open block is complete; the call, if it is one. Raises `ModelUnavailable` for one that could not be
        answered."""
        block, self._open = self._open, None
        if block is None:
            return None
        call = self._call(block) if block.get("type") == "tool_use" else None
        for name, pieces in self._grown.items():
            if name != "input":
                block[name] = _whole(str(block.get(name) or "") + "".join(pieces))
        # The API sends empty blocks, and refuses them.
        if block.get("type") != "text" or str(block.get("text")).strip():
            self._blocks.append(block)
        return call

    def said(self, model: str) -> Said:
        """All blocks so far."""
        return Said(model, tuple(self._blocks))

    def _call(self, block: Json) -> ToolCall:
        call_id, name = str(block.get("id")), str(block.get("name"))
        is_known = any(call.id == call_id for call in self.calls)
        if is_known or len(self.calls) >= MAX_CALLS or not _ID.fullmatch(call_id) or not _ID.fullmatch(name):
            raise ModelUnavailable("The model called a tool in a form that has no answer.")
        arguments = _arguments(_whole("".join(self._grown.get("input", ()))), block.get("input"))
        block["input"] = arguments or {}
        self.calls.append(ToolCall(call_id, name, arguments))
        return self.calls[-1]


def _arguments(written: str, given: object) -> Json | None:
    """The arguments, if they are a JSON object that can be sent back."""
    if len(written) > MAX_ARGUMENTS:
        return None
    try:
        value = json.loads(written) if written.strip() else given
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _whole(text: str) -> str:
    """A text whose characters came in halves (JSON escapes may be cut between them) with whole ones."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

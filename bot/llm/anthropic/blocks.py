"""What Claude said before it waits for its tools: kept block by block, to be handed back untouched."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import ModelUnavailable
from bot.llm.base import ToolCall
from bot.llm.calls import ID, MAX_ARGUMENTS, MAX_CALLS, arguments_of, mended

_GROWING = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """The blocks of an answer, thoughts and their signatures included: these only the same model takes back."""

    model: str
    blocks: tuple[Json, ...]


class Blocks:
    """Collects the content blocks of one message, also of one that pauses. All others need no more of them than
    their text."""

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
                block[name] = mended(str(block.get(name) or "") + "".join(pieces))
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
        if is_known or len(self.calls) >= MAX_CALLS or not ID.fullmatch(call_id) or not ID.fullmatch(name):
            raise ModelUnavailable("The model called a tool in a form that has no answer.")
        arguments = arguments_of(mended("".join(self._grown.get("input", ()))), block.get("input"))
        block["input"] = arguments or {}
        self.calls.append(ToolCall(call_id, name, arguments))
        return self.calls[-1]

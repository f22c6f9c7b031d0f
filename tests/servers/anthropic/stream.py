"""The events of one streamed message, byte for byte like those of the real API, and the faults inside it."""

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from tests.servers.anthropic.cache import Tokens
from tests.servers.anthropic.script import Cite, Fault, Pause, Say, Step, Stop, Think, UseTool, pieces

_ids = itertools.count(1)
_call_ids = itertools.count(1)

PING = b'event: ping\ndata: {"type": "ping"}\n\n'


class Broken(Exception):
    """The stream ends here, without its end: `reset`, `eof` or `stall`."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(how)


class Pace(Protocol):
    """How fast the server speaks."""

    rate: float
    piece: int
    delay: float

    def pings(self) -> AsyncIterator[None]: ...


Chunk = tuple[bytes, bool]
"""Bytes to send, and whether they are a text delta."""


async def events(
    pace: Pace, model: str, steps: Sequence[Step], tokens: Tokens, fault: Fault | None
) -> AsyncIterator[Chunk]:
    """The stream of a message. Raises `Broken` where a fault breaks it off."""
    yield _event("message_start", {"message": _message(model, [], None, tokens, 1)}), False
    yield PING, False
    if pace.delay:
        await asyncio.sleep(pace.delay)
    sent, written = 0, 0
    due = asyncio.get_running_loop().time()
    for data, delta, seconds in _plan(pace, model, steps):
        if delta:
            if fault and fault.after == sent:
                async for chunk in _strike(pace, fault):
                    yield chunk
            sent += 1
            written += 1
        if seconds:
            due = max(due + seconds, asyncio.get_running_loop().time() - 0.1)
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        yield data, delta
    if fault and (fault.after is None or fault.after >= sent):
        async for chunk in _strike(pace, fault):
            yield chunk
    usage = _usage(tokens, written + 1)
    reason = reason_of(steps)
    yield _event("message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}), False
    if fault and fault.kind == "no_usage":
        raise Broken("eof")
    yield _event("message_stop", {}), False


def named(steps: Sequence[Step]) -> list[Step]:
    """The steps, with an id for every call."""
    return [
        replace(step, id=f"toolu_{next(_call_ids):024d}") if isinstance(step, UseTool) and not step.id else step
        for step in steps
    ]


def reason_of(steps: Sequence[Step]) -> str:
    """The `stop_reason` of a message."""
    default = "tool_use" if any(isinstance(step, UseTool) for step in steps) else "end_turn"
    return next((step.reason for step in steps if isinstance(step, Stop)), default)


def blocks_of(model: str, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The content of a message, as it is when all of it has been streamed."""
    blocks: list[dict[str, Any]] = []
    is_open = False
    for step in steps:
        if isinstance(step, Think):
            blocks.append({"type": "thinking", "thinking": step.text, "signature": signature(model, step.text)})
        elif isinstance(step, UseTool):
            blocks.append({"type": "tool_use", "id": step.id, "name": step.name, "input": dict(step.arguments)})
        elif isinstance(step, Say | Cite):
            if not is_open or (isinstance(step, Say) and "citations" in blocks[-1]):
                blocks.append({"type": "text", "text": ""})
            if isinstance(step, Say):
                blocks[-1]["text"] += step.text
            else:
                blocks[-1].setdefault("citations", []).append(_citation(step))
        is_open = isinstance(step, Say | Cite) or (is_open and isinstance(step, Pause))
    return blocks


def signature(model: str, thought: str) -> str:
    """What a thinking block is signed with: it is good for this model and these words only."""
    return hashlib.sha256(f"{model}\n{thought}".encode()).hexdigest()


def whole_message(model: str, steps: Sequence[Step], tokens: Tokens) -> dict[str, Any]:
    """The same message as one JSON body."""
    blocks = blocks_of(model, steps)
    length = sum(len(str(block.get("text", ""))) // 4 for block in blocks)
    return _message(model, blocks, reason_of(steps), tokens, length + 1)


def _plan(pace: Pace, model: str, steps: Sequence[Step]) -> Iterator[tuple[bytes, bool, float]]:
    """What is sent one after the other: bytes, whether they are a text delta, seconds to wait before them."""
    seconds = 1 / pace.rate if pace.rate else 0.0
    index, open_text, cited = 0, False, False
    for step in steps:
        if open_text and (isinstance(step, Think | UseTool) or (isinstance(step, Say) and cited)):
            yield _event("content_block_stop", {"index": index}), False, 0.0
            index, open_text, cited = index + 1, False, False
        if isinstance(step, Think):
            yield from _think(index, model, step)
            index += 1
        elif isinstance(step, UseTool):
            yield from _call(index, step)
            index += 1
        elif isinstance(step, Pause):
            yield PING, False, step.seconds
        elif isinstance(step, Say | Cite):
            if not open_text:
                block = {"type": "text", "text": ""}
                yield _event("content_block_start", {"index": index, "content_block": block}), False, 0.0
                open_text = True
            if isinstance(step, Cite):
                cited = True
                yield _delta(index, {"type": "citations_delta", "citation": _citation(step)}), False, 0.0
                continue
            for piece in pieces(step.text, pace.piece) if step.text else ():
                yield _delta(index, {"type": "text_delta", "text": piece}), True, seconds
    if open_text:
        yield _event("content_block_stop", {"index": index}), False, 0.0


def _think(index: int, model: str, step: Think) -> Iterator[tuple[bytes, bool, float]]:
    block = {"type": "thinking", "thinking": "", "signature": ""}
    yield _event("content_block_start", {"index": index, "content_block": block}), False, 0.0
    for piece in pieces(step.text, 12) if step.text else ():
        yield _delta(index, {"type": "thinking_delta", "thinking": piece}), False, 0.0
    yield _delta(index, {"type": "signature_delta", "signature": signature(model, step.text)}), False, step.seconds
    yield _event("content_block_stop", {"index": index}), False, 0.0


def _call(index: int, step: UseTool) -> Iterator[tuple[bytes, bool, float]]:
    block = {"type": "tool_use", "id": step.id, "name": step.name, "input": {}, "caller": {"type": "direct"}}
    yield _event("content_block_start", {"index": index, "content_block": block}), False, 0.0
    written = json.dumps(step.arguments) if step.written is None else step.written
    size = max(7, len(written) // 1000)
    for start in range(-size, len(written), size):  # the first piece is empty, as the API's is
        piece = written[max(0, start) : start + size]
        yield _delta(index, {"type": "input_json_delta", "partial_json": piece}), False, 0.0
    yield _event("content_block_stop", {"index": index}), False, 0.0


async def _strike(pace: Pace, fault: Fault) -> AsyncIterator[Chunk]:
    if fault.kind == "sse_error":
        error = {"type": fault.error_type, "message": fault.message}
        yield _event("error", {"error": error}), False
        raise Broken("eof")
    if fault.kind == "bad_json":
        yield b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n', False
    if fault.kind == "cut":
        yield b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_', False
        raise Broken("eof")
    if fault.kind == "pings":
        async for _ in pace.pings():
            yield PING, False
    if fault.kind in ("reset", "eof", "stall"):
        raise Broken(fault.kind)


def _event(name: str, data: dict[str, Any]) -> bytes:
    text = json.dumps({"type": name, **data}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode()


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _event("content_block_delta", {"index": index, "delta": delta})


def _citation(step: Cite) -> dict[str, Any]:
    return {
        "type": "search_result_location",
        "source": step.source,
        "title": step.source,
        "cited_text": "…",
        "search_result_index": 0,
        "start_block_index": 0,
        "end_block_index": 1,
    }


def _message(
    model: str, content: list[dict[str, Any]], stop_reason: str | None, tokens: Tokens, output: int
) -> dict[str, Any]:
    return {
        "model": model,
        "id": f"msg_{next(_ids):024d}",
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "stop_details": None,
        "usage": _usage(tokens, output),
    }


def _usage(tokens: Tokens, output: int) -> dict[str, Any]:
    return {
        "input_tokens": tokens.fresh,
        "cache_creation_input_tokens": tokens.written,
        "cache_read_input_tokens": tokens.read,
        "cache_creation": {"ephemeral_5m_input_tokens": tokens.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    }

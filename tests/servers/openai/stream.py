"""The chunks of one streamed completion, byte for byte like those of real endpoints, and the faults inside it."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from tests.servers.anthropic.script import Fault, Pause, Say, Step, Stop, Think, UseTool, pieces
from tests.servers.anthropic.stream import Broken, Pace

COMMENT = b": keep-alive\n\n"
_ids = itertools.count(1)
_call_ids = itertools.count(1)

Chunk = tuple[bytes, bool]
"""Bytes to send, and whether they are text."""


async def chunks(
    pace: Pace, model: str, steps: Sequence[Step], usage: Mapping[str, Any] | None, fault: Fault | None
) -> AsyncIterator[Chunk]:
    """The stream of a completion; `usage` None: it was not asked for. Raises `Broken` where a fault breaks it off."""
    head = {"id": f"chatcmpl-{next(_ids)}", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": model}

    def one(delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        return data({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})

    yield COMMENT, False
    yield one({"role": "assistant", "content": "", "refusal": None}), False
    if pace.delay:
        await asyncio.sleep(pace.delay)
    sent = 0
    due = asyncio.get_running_loop().time()
    for delta, is_text, seconds in _plan(pace, steps):
        if is_text:
            if fault and fault.after == sent:
                async for chunk in _strike(pace, fault):
                    yield chunk
            sent += 1
        if seconds:
            due = max(due + seconds, asyncio.get_running_loop().time() - 0.1)
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        yield (one(delta) if delta else COMMENT), is_text
    if fault and (fault.after is None or fault.after >= sent):
        async for chunk in _strike(pace, fault):
            yield chunk
    yield one({}, reason_of(steps)), False
    if fault and fault.kind == "no_usage":
        raise Broken("eof")
    if usage is not None:
        yield data({**head, "choices": [], "usage": {**usage, "completion_tokens": sent + 1}}), False
    yield b"data: [DONE]\n\n", False


def reason_of(steps: Sequence[Step]) -> str:
    """The `finish_reason` of a completion."""
    default = "tool_calls" if any(isinstance(step, UseTool) for step in steps) else "stop"
    return next((step.reason for step in steps if isinstance(step, Stop)), default)


def data(value: Mapping[str, Any]) -> bytes:
    """An event as it is sent."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def _plan(pace: Pace, steps: Sequence[Step]) -> Iterator[tuple[dict[str, Any], bool, float]]:
    seconds = 1 / pace.rate if pace.rate else 0.0
    calls = itertools.count()
    for step in steps:
        if isinstance(step, Say):
            for piece in pieces(step.text, pace.piece) if step.text else ():
                yield {"content": piece}, True, seconds
        elif isinstance(step, Think):
            for piece in pieces(step.text, pace.piece) if step.text else ():
                yield {"reasoning_content": piece}, False, 0.0
        elif isinstance(step, Pause):
            yield {}, False, step.seconds
        elif isinstance(step, UseTool):
            yield from ((delta, False, 0.0) for delta in _call(next(calls), step))


def _call(index: int, step: UseTool) -> Iterator[dict[str, Any]]:
    call_id = step.id or f"call_{next(_call_ids):08d}"
    function = {"name": step.name, "arguments": ""}
    yield {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}
    written = json.dumps(step.arguments) if step.written is None else step.written
    size = max(7, len(written) // 1000)
    for start in range(0, len(written), size):
        yield {"tool_calls": [{"index": index, "function": {"arguments": written[start : start + size]}}]}


async def _strike(pace: Pace, fault: Fault) -> AsyncIterator[Chunk]:
    if fault.kind == "sse_error":
        yield data({"error": {"message": fault.message, "type": fault.error_type, "code": None}}), False
        raise Broken("eof")
    if fault.kind == "bad_json":
        yield b'data: {"id":"x","choices":[{"del\n\n', False
    if fault.kind == "cut":
        yield b'data: {"id":"x","choices":[{"index":0,"delta":{"con', False
        raise Broken("eof")
    if fault.kind == "pings":
        async for _ in pace.pings():
            yield COMMENT, False
    if fault.kind in ("reset", "eof", "stall"):
        raise Broken(fault.kind)

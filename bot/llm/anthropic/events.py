"""Reads a streamed message: bytes of Server-Sent Events go in, the events of `bot.llm.base` come out.

The SDK builds a validated object for every event, which costs more than all the rest of a stream. We need
a handful of fields, and read them off the JSON.
"""

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from bot.errors import ModelError, ModelRefused, ModelUnavailable
from bot.llm.anthropic.blocks import Blocks
from bot.llm.anthropic.errors import error_in_stream
from bot.llm.base import Billed, Cited, Finished, ModelEvent, StopReason, TextDelta, Usage
from bot.text import Cleaner, is_blank

MAX_LINE_BYTES = 1024 * 1024

log = logging.getLogger(__name__)

Json = Mapping[str, Any]


class SseReader:
    """Splits a stream of bytes into the data of its events (html.spec.whatwg.org, server-sent events)."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of every event that is complete with this chunk."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise ModelUnavailable("The model's stream holds a line without an end.")
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:])
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data.clear()


class MessageReader:
    """The state of one answer.

    `finished` is set by the message's own end and by nothing else; `failure` is what the stream reported,
    to be raised after the events that came before it. `calls_tools`: tools were offered, so it may end in calls.
    """

    def __init__(self, model: str, section_ids: Collection[str], *, calls_tools: bool = False) -> None:
        self.finished = False
        self.failure: ModelError | None = None
        self.progress = 0
        """Events so far that were part of the answer; a ping is none."""
        self._sse = SseReader()
        self._cleaner = Cleaner()
        self._section_ids = section_ids
        self._cited: set[str] = set()
        self._asked = self._model = model
        self._blocks = Blocks() if calls_tools else None
        self._usage: dict[str, int] = {}
        self._stop_reason: str | None = None
        self._has_text = False

    def feed(self, chunk: bytes) -> list[ModelEvent]:
        """What these bytes add to the answer; text that came together stays together."""
        events: list[ModelEvent] = []
        text: list[str] = []
        try:
            for data in self._sse.feed(chunk):
                if isinstance(piece := self._read(data), str):
                    text.append(piece)
                elif piece is not None:
                    _flush(text, events)
                    events.append(piece)
                if self.finished:
                    break
        except ModelError as failure:
            self.failure = failure
        _flush(text, events)
        return events

    def _read(self, data: bytes) -> str | ModelEvent | None:
        """The text, citation or end that one event brings."""
        event = _parse(data)
        kind = event.get("type")
        if kind == "ping":
            return None
        self.progress += 1
        if kind == "content_block_delta":
            return self._delta(_dict(event, "delta"))
        if kind == "content_block_start":
            block = _dict(event, "content_block")
            if self._blocks is not None:
                self._blocks.start(block)
            return self._text(block) if block.get("type") == "text" else None
        if kind == "content_block_stop":
            return self._blocks.stop() if self._blocks is not None else None
        if kind == "message_start":
            message = _dict(event, "message")
            self._count(_dict(message, "usage"))
            self._model = str(message.get("model") or self._model)
            return Billed(self._billed())
        elif kind == "message_delta":
            self._count(_dict(event, "usage"))
            self._stop_reason = _dict(event, "delta").get("stop_reason") or self._stop_reason
            return Billed(self._billed())
        elif kind == "message_stop":
            return self._end()
        elif kind == "error":
            raise error_in_stream(_dict(event, "error"))
        return None

    def _delta(self, delta: Json) -> str | ModelEvent | None:
        if self._blocks is not None:
            self._blocks.delta(delta)
        kind = delta.get("type")
        if kind == "text_delta":
            return self._text(delta)
        return self._citation(_dict(delta, "citation")) if kind == "citations_delta" else None

    def _citation(self, citation: Json) -> Cited | None:
        source = citation.get("source")
        if not isinstance(source, str) or source not in self._section_ids:
            log.debug("%s cites a section that it was not given", self._model)
        elif source not in self._cited:
            self._cited.add(source)
            return Cited(source)
        return None

    def _text(self, holder: Json) -> str | None:
        text = holder.get("text")
        if not isinstance(text, str) or not (text := self._cleaner.feed(text)):
            return None
        self._has_text = self._has_text or not is_blank(text)
        return text

    def _count(self, usage: Json) -> None:
        for name, value in usage.items():
            if type(value) is int and value >= 0:
                self._usage[name] = value

    def _end(self) -> Finished:
        reason = self._stop_reason
        if reason == "refusal":
            raise ModelRefused("The model declined to answer this turn.")
        if reason == "tool_use" and self._blocks is not None and self._blocks.calls:
            self.finished = True
            return Finished(self._billed(), self._model, "tools", self._blocks.said(self._asked))
        if reason not in ("end_turn", "stop_sequence", "max_tokens", "model_context_window_exceeded"):
            raise ModelUnavailable(f"The model stopped for a reason that no answer ends with: {reason}.")
        if not self._has_text:
            raise ModelUnavailable(f"The model ended its answer without a word (stop reason: {reason}).")
        self.finished = True
        stop_reason: StopReason = "end" if reason in ("end_turn", "stop_sequence") else "max_tokens"
        return Finished(self._billed(), self._model, stop_reason)

    def _billed(self) -> Usage:
        return Usage(
            input_tokens=self._usage.get("input_tokens", 0),
            output_tokens=self._usage.get("output_tokens", 0),
            cache_read_tokens=self._usage.get("cache_read_input_tokens", 0),
            cache_write_tokens=self._usage.get("cache_creation_input_tokens", 0),
        )


def _flush(text: list[str], events: list[ModelEvent]) -> None:
    if text:
        events.append(TextDelta("".join(text)))
        text.clear()


def _parse(data: bytes) -> Json:
    try:
        event = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise ModelUnavailable("The model's stream holds an event that is no JSON.") from None
    if not isinstance(event, dict):
        raise ModelUnavailable("The model's stream holds an event that is no object.")
    return event


def _dict(holder: Json, name: str) -> Json:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}

"""Reads a streamed message: bytes of Server-Sent Events go in, the events of `bot.llm.base` come out.

The SDK builds a validated object for every event, which costs more than all the rest of a stream. We need
a handful of fields, and read them off the JSON.
"""

import logging
from collections.abc import Collection, Mapping
from typing import Any

from bot.errors import ModelError, ModelRefused, ModelUnavailable
from bot.llm.anthropic.blocks import Blocks, Said
from bot.llm.base import Billed, Cited, Finished, ModelEvent, StopReason, TextDelta, Usage
from bot.llm.numbered import Marks
from bot.llm.refusals import error_in_stream
from bot.llm.sse import SseReader, object_in, parse
from bot.text import Cleaner, is_blank

MAX_PAUSES = 5
"""So often a message may pause (`pause_turn`) and be asked for again."""

log = logging.getLogger(__name__)

Json = Mapping[str, Any]


class MessageReader:
    """The state of one answer.

    `finished` is set by the message's own end and by nothing else; `failure` is what the stream reported,
    to be raised after the events that came before it; `paused` is what was said when it is to be asked for again.
    `calls_tools`: tools were offered, so it may end in calls. `numbered`: the sections have numbers, and the text
    names those. `keys` are hidden in what the stream reports.
    """

    def __init__(
        self,
        model: str,
        section_ids: Collection[str],
        *,
        calls_tools: bool = False,
        numbered: bool = False,
        keys: Collection[str] = (),
    ) -> None:
        self.finished = False
        self.failure: ModelError | None = None
        self.paused: Said | None = None
        self.progress = 0
        """Events so far that were part of the answer; a ping is none."""
        self._sse = SseReader()
        self._cleaner = Cleaner()
        self._section_ids = section_ids
        self._cited: set[str] = set()
        self._asked = self._model = model
        self._blocks = Blocks() if calls_tools else None
        self._marks = Marks(tuple(section_ids)) if numbered else None
        self._keys = keys
        self._pauses = 0
        self._unkept: list[str] = []
        """The text of this stream, where no blocks are kept."""
        self._before: tuple[dict[str, Any], ...] = ()
        self._usage: dict[str, int] = {}
        self._usage_before = Usage()
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
                    self._flush(text, events)
                    events.append(piece)
                if self.finished or self.paused:
                    break
        except ModelError as failure:
            self.failure = failure
        self._flush(text, events)
        return self._unmarked(events) if self._marks is not None else events

    def go_on(self) -> None:
        """The message that paused goes on in a new stream."""
        if self.paused is not None and self._blocks is None:
            self._before, self._unkept = self.paused.blocks, []
        self.paused = None
        self._sse = SseReader()
        self._usage_before, self._usage = self._billed(), {}
        self._stop_reason = None

    def _read(self, data: bytes) -> str | ModelEvent | None:
        """The text, citation or end that one event brings."""
        event = parse(data)
        kind = event.get("type")
        if kind == "ping":
            return None
        self.progress += 1
        if kind == "content_block_delta":
            return self._delta(object_in(event, "delta"))
        if kind == "content_block_start":
            block = object_in(event, "content_block")
            if self._blocks is not None:
                self._blocks.start(block)
            return self._text(block) if block.get("type") == "text" else None
        if kind == "content_block_stop":
            return self._blocks.stop() if self._blocks is not None else None
        if kind == "message_start":
            message = object_in(event, "message")
            self._count(object_in(message, "usage"))
            self._model = str(message.get("model") or self._model)
            return Billed(self._billed())
        elif kind == "message_delta":
            self._count(object_in(event, "usage"))
            self._stop_reason = object_in(event, "delta").get("stop_reason") or self._stop_reason
            return Billed(self._billed())
        elif kind == "message_stop":
            return self._end()
        elif kind == "error":
            raise error_in_stream(event, self._keys)
        return None

    def _delta(self, delta: Json) -> str | ModelEvent | None:
        if self._blocks is not None:
            self._blocks.delta(delta)
        kind = delta.get("type")
        if kind == "text_delta":
            return self._text(delta)
        return self._citation(object_in(delta, "citation")) if kind == "citations_delta" else None

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

    def _end(self) -> ModelEvent:
        reason = self._stop_reason
        if reason == "refusal":
            raise ModelRefused("The model declined to answer this turn.")
        if reason == "tool_use" and self._blocks is not None and self._blocks.calls:
            self.finished = True
            return Finished(self._billed(), self._model, "tools", self._blocks.said(self._asked))
        if reason == "pause_turn" and self._pauses < MAX_PAUSES and (said := self._said()).blocks:
            self._pauses += 1
            self.paused = said
            return Billed(self._billed())
        if reason not in ("end_turn", "stop_sequence", "max_tokens", "model_context_window_exceeded"):
            raise ModelUnavailable(f"The model stopped for a reason that no answer ends with: {reason}.")
        if not self._has_text:
            raise ModelUnavailable(f"The model ended its answer without a word (stop reason: {reason}).")
        self.finished = True
        stop_reason: StopReason = "end" if reason in ("end_turn", "stop_sequence") else "max_tokens"
        return Finished(self._billed(), self._model, stop_reason)

    def _said(self) -> Said:
        if self._blocks is not None:
            return self._blocks.said(self._asked)
        text = "".join(self._unkept)
        new = ({"type": "text", "text": text},) if not is_blank(text) else ()
        return Said(self._asked, (*self._before, *new))

    def _billed(self) -> Usage:
        return self._usage_before + Usage(
            input_tokens=self._usage.get("input_tokens", 0),
            output_tokens=self._usage.get("output_tokens", 0),
            cache_read_tokens=self._usage.get("cache_read_input_tokens", 0),
            cache_write_tokens=self._usage.get("cache_creation_input_tokens", 0),
        )

    def _flush(self, text: list[str], events: list[ModelEvent]) -> None:
        if text:
            joined = "".join(text)
            events.append(TextDelta(joined))
            text.clear()
            if self._blocks is None:
                self._unkept.append(joined)

    def _unmarked(self, events: list[ModelEvent]) -> list[ModelEvent]:
        """The events with the marks of sections in their text as citations."""
        assert self._marks is not None
        found: list[ModelEvent] = []
        for event in events:
            if isinstance(event, TextDelta):
                found.extend(self._marks.feed(event.text))
                continue
            if isinstance(event, Finished):
                found.extend(self._marks.feed("", ended=True))
            found.append(event)
        return found

"""Reads a streamed chat completion: bytes of Server-Sent Events go in, the events of `bot.llm.base` come out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bot.errors import ModelError, ModelRefused, ModelUnavailable
from bot.llm.base import Billed, Finished, ModelEvent, StopReason, TextDelta, Usage
from bot.llm.numbered import Marks
from bot.llm.openai_compatible.calls import GrowingCalls
from bot.llm.openai_compatible.request import Said
from bot.llm.openai_compatible.thoughts import Thoughts
from bot.llm.reach import NoWords
from bot.llm.refusals import error_in_stream
from bot.llm.sse import Json, SseReader, object_in, parse
from bot.text import Cleaner, is_blank

_DONE = b"[DONE]"
# Of endpoints that call them by other names, too.
_ENDS = ("stop", "eos", "end_turn", "stop_sequence")
_TOO_LONG = ("length", "max_tokens", "model_length")
_CALLS = ("tool_calls", "function_call", *_ENDS)
_REFUSALS = ("content_filter", "refusal", "safety", "sensitive")
_THOUGHTS = ("reasoning_content", "reasoning")
_MOST_THOUGHTS = 256 * 1024


class ChatReader:
    """The state of one answer.

    `finished` is set by the answer's own end and by nothing else; `failure` is what the stream reported, to be raised
    after the events that came before it. `ended`: the answer is whole, and only figures may follow. `marked`: it was
    asked for the numbers of its sections. `calls_tools`:
    tools were offered, so it may end in calls; `taken` are the ids of earlier calls of the turn. `keys` are hidden in
    what the stream reports.
    """

    def __init__(
        self,
        model: str,
        section_ids: Sequence[str],
        *,
        marked: bool = False,
        calls_tools: bool = False,
        taken: Collection[str] = (),
        keys: Collection[str] = (),
    ) -> None:
        self.finished = self.ended = self.thinks = False
        self.failure: ModelError | None = None
        self.progress = 0
        """Pieces so far that were part of the answer."""
        self._sse = SseReader()
        self._cleaner = Cleaner()
        self._thoughts: Thoughts | None = Thoughts()
        self._marks = Marks(section_ids) if marked else None
        self._asked = self._model = model
        self._calls = GrowingCalls()
        self._calls_tools, self._taken, self._keys = calls_tools, taken, keys
        self._thought: list[str] = []
        self._thought_field, self._thought_length = "", 0
        self._usage, self._is_billed = Usage(), False
        self._reason: str | None = None
        self._has_text = self._declines = False

    def feed(self, chunk: bytes) -> list[ModelEvent]:
        """What these bytes add to the answer; text that came together stays together."""
        events: list[ModelEvent] = []
        text: list[str] = []
        try:
            for data in self._sse.feed(chunk):
                if data.strip() == _DONE:
                    self._flush(text, events)
                    self._end(events)
                    break
                self._read(parse(data), text, events)
        except ModelError as failure:
            self.failure = failure
        self._flush(text, events)
        return events

    def eof(self) -> list[ModelEvent]:
        """The stream is over: what that adds. Sets `failure` unless the answer was whole."""
        events: list[ModelEvent] = []
        try:
            if not self.ended:
                raise ModelUnavailable("The stream ended before the answer did.")
            self._end(events)
        except ModelError as failure:
            self.failure = failure
        return events

    def _read(self, chunk: Json, text: list[str], events: list[ModelEvent]) -> None:
        choices = chunk.get("choices")
        if chunk.get("error") or chunk.get("object") == "error":
            raise error_in_stream(chunk, self._keys)
        if isinstance(usage := chunk.get("usage"), dict):
            self._count(usage, events)
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return
        choice = choices[0]
        delta = object_in(choice, "delta")
        if content := delta.get("content"):
            self.progress += 1
            if piece := self._words(content):
                text.append(piece)
        if delta and (not content or "tool_calls" in delta):
            self._others(delta)
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self.progress += 1
            self._reason, self.ended = reason, True
            self._model = str(chunk.get("model") or self._model)

    def _words(self, content: object) -> str:
        """The part of a piece of content that is shown."""
        if isinstance(content, list):  # of parts, thoughts among them
            parts = (part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text")
            content = "".join(part for part in parts if isinstance(part, str))
        if not isinstance(content, str):
            return ""
        if self._thoughts is not None:
            content = self._thoughts.feed(content)
            self.thinks = self.thinks or self._thoughts.are_any
            if self._thoughts.are_over:
                self._thoughts = None
        words = self._cleaner.feed(content)
        self._has_text = self._has_text or not is_blank(words)
        return words

    def _others(self, delta: Json) -> None:
        """What a piece holds that is no text: thoughts, calls, a refusal."""
        for name in _THOUGHTS:
            if isinstance(thought := delta.get(name), str) and thought:
                self.progress += 1
                self.thinks = True
                self._thought_length += len(thought)
                if self._calls_tools and self._thought_length <= _MOST_THOUGHTS:
                    self._thought_field = name
                    self._thought.append(thought)
                break
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            self.progress += 1
            for piece in calls:
                if isinstance(piece, dict):
                    self._calls.feed(piece)
        if delta.get("refusal"):
            self.progress += 1
            self._declines = True

    def _count(self, usage: Json, events: list[ModelEvent]) -> None:
        """Usage comes once at the end, or grows from piece to piece: the first and the last are told."""
        read = _number(object_in(usage, "prompt_tokens_details"), "cached_tokens") or _number(
            usage, "prompt_cache_hit_tokens"
        )
        asked = _number(usage, "prompt_tokens")
        read = min(read, asked)
        self._usage = Usage(asked - read, _number(usage, "completion_tokens"), read)
        if not self._is_billed:
            self._is_billed = True
            events.append(Billed(self._usage))

    def _end(self, events: list[ModelEvent]) -> None:
        if self._thoughts is not None and (rest := self._thoughts.rest()):
            self._thoughts = None
            self._flush([self._words(rest)], events)
        if self._marks is not None:
            events.extend(self._marks.feed("", ended=True))
        reason = self._reason
        if reason is None:
            raise ModelUnavailable("The stream ended before the answer did.")
        if reason in _REFUSALS or (self._declines and not self._has_text):
            raise ModelRefused("The model declined to answer this turn.")
        if self._calls and self._calls_tools and reason in _CALLS:
            events.extend(self._calls.complete(self._taken))
            self.finished = True
            said = Said(self._asked, self._thought_field, "".join(self._thought)) if self._thought else None
            events.append(Finished(self._usage, self._model, "tools", said))
            return
        if reason not in (*_ENDS, *_TOO_LONG) or (self._calls and not self._has_text):
            raise ModelUnavailable(f"The model stopped for a reason that no answer ends with: {reason[:40]}.")
        if not self._has_text:
            raise NoWords(f"The model ended its answer without a word (finish reason: {reason}).")
        self.finished = True
        stop_reason: StopReason = "end" if reason in _ENDS else "max_tokens"
        events.append(Finished(self._usage, self._model, stop_reason))

    def _flush(self, text: list[str], events: list[ModelEvent]) -> None:
        if text:
            joined = "".join(text)
            text.clear()
            if self._marks is not None:
                events.extend(self._marks.feed(joined))
            elif joined:
                events.append(TextDelta(joined))


def _number(holder: Mapping[str, Any], name: str) -> int:
    value = holder.get(name)
    return value if type(value) is int and value >= 0 else 0

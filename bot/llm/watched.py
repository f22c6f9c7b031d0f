"""A model under watch: a stream that falls silent has failed, and one without an end is cut."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from bot.errors import ModelUnavailable
from bot.llm.alarm import Alarm, Late
from bot.llm.base import Billed, ChatModel, Finished, ModelEvent, ModelRequest, TextDelta, ToolCall, Usage
from bot.text import is_blank

MAX_CHARS_PER_TOKEN = 16
"""A token is some four characters; what is longer than this was not written under `max_tokens`."""
MAX_CALLS = 1000
"""Of tools, in one answer."""


class Watched:
    """Fails with `ModelUnavailable` when `model` brings nothing at all for `first_event` seconds, no word for
    `silence` more, or then falls silent for `silence`.

    Words and calls of tools break a silence; bills, citations, white space and whatever the door does not even hand
    on (pings, thoughts, half a tool's arguments) do not: who thinks may do so before the first word. An answer that
    is far longer than it was allowed to be ends there, as one that has reached its `max_tokens`.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        first_event: float = 15.0,
        silence: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._first_event = first_event
        self._silence = silence
        self._clock = clock

    @property
    def name(self) -> str:
        return self._model.name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        room, calls, billed = request.max_tokens * MAX_CHARS_PER_TOKEN, 0, None
        began = self._clock()
        alarm = Alarm(began + self._first_event, self._clock)
        heard = False
        try:
            async with aclosing(self._model.stream(request)) as events:
                while (event := await alarm.next(events)) is not None:
                    if isinstance(event, TextDelta):
                        room -= len(event.text)
                    elif isinstance(event, ToolCall):
                        calls += 1
                        if calls > MAX_CALLS:
                            raise ModelUnavailable("it calls tools without end", again=False)
                    elif isinstance(event, Billed):
                        billed = event
                    if room < 0:
                        break
                    yield event
                    if _breaks_silence(event):
                        heard, alarm.due = True, self._clock() + self._silence
                    elif not heard:
                        heard, alarm.due = True, began + self._first_event + self._silence
                else:
                    return
            yield _cut(event, room)
            yield _end_of(self.name, billed)
        except Late:
            raise ModelUnavailable(self._complaint(heard)) from None
        finally:
            alarm.close()

    async def close(self) -> None:
        await self._model.close()

    def _complaint(self, heard: bool) -> str:
        if not heard:
            return f"it brought nothing for {self._first_event:g} s"
        return f"it said no word for {self._silence:g} s"


def _breaks_silence(event: ModelEvent) -> bool:
    if isinstance(event, TextDelta):
        return not is_blank(event.text)
    return isinstance(event, ToolCall | Finished)


def _cut(event: ModelEvent, room: int) -> TextDelta:
    """As much of the text as was allowed; `room` is what it lacks."""
    assert isinstance(event, TextDelta)
    return TextDelta(event.text[:room])


def _end_of(name: str, billed: Billed | None) -> Finished:
    billed = billed or Billed(Usage())
    return Finished(billed.usage, name, "max_tokens", payer=billed.payer)

"""Leaves a model alone that does not answer, so that nobody waits for it, and notices when it is well again."""

import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from bot.errors import KeyRefused, ModelUnavailable
from bot.llm.base import ChatModel, Finished, ModelEvent, ModelRequest
from bot.notices import Notice, Notify, log_notice

log = logging.getLogger(__name__)

State = Literal["closed", "open", "half_open"]


class LeftAlone(ModelUnavailable):
    """It was not asked at all."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One stream: the breaker's `epoch` when it began, and whether it is the probe."""

    epoch: int
    is_probe: bool


class Breaker:
    """Opens after `failures` in a row, or when the share `rate` of at least `requests` streams of the last `window`
    seconds failed; then every stream fails at once, without a call, until one probe has brought a whole answer. A
    probe is let through every `open_for` seconds, one at a time.

    A failure is `ModelUnavailable`, before or in the middle of an answer. What says nothing about the endpoint counts
    neither way: a turn that the model refuses or rejects, a stream that is closed, a key that is not served
    (`KeyRefused`: whoever holds the keys leaves that one alone). Failures in a row must be of two conversations or
    more, so that one message which the endpoint cannot digest, tried again and again, takes it from nobody else.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        failures: int = 5,
        rate: float = 0.5,
        requests: int = 20,
        window: float = 30.0,
        open_for: float = 10.0,
        notify: Notify = log_notice,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._failures = failures
        self._rate = rate
        self._requests = requests
        self._window = window
        self._open_for = open_for
        self._notify = notify
        self._clock = clock
        self._epoch = 0
        self._opened_at: float | None = None
        self._is_probing = False
        self._in_a_row = 0
        self._failed_for: set[str] = set()
        """The conversations of the failures in a row."""
        self._recent: deque[tuple[float, bool]] = deque()
        """When a stream ended, and whether it failed."""
        self._recent_failures = 0

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def state(self) -> State:
        """`half_open`: the next stream is a probe, or one is under way."""
        if self._opened_at is None:
            return "closed"
        return "half_open" if self._is_probing or self._rested(self._opened_at) else "open"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        entry = self._enter()
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        self._succeeded(entry)
                    yield event
        except KeyRefused:
            raise
        except ModelUnavailable:
            self._failed(entry, request.conversation)
            raise
        finally:
            if entry.is_probe:
                self._is_probing = False

    async def close(self) -> None:
        await self._model.close()

    def _enter(self) -> _Entry:
        if self._opened_at is None:
            return _Entry(self._epoch, is_probe=False)
        if self._is_probing or not self._rested(self._opened_at):
            raise LeftAlone("it is left alone, since it did not answer", again=False)
        self._is_probing = True
        return _Entry(self._epoch, is_probe=True)

    def _rested(self, opened_at: float) -> bool:
        return self._clock() - opened_at >= self._open_for

    def _succeeded(self, entry: _Entry) -> None:
        if entry.epoch != self._epoch:
            return  # it began before the breaker opened, or closed: that says nothing about now
        if entry.is_probe:
            self._turn_over(opened_at=None)
            words = f"{self.name} answers again."
            self._notify(Notice("breaker", self.name, words, is_over=True))
        elif self._opened_at is None:
            self._in_a_row = 0
            self._failed_for.clear()
            self._count(failed=False)

    def _failed(self, entry: _Entry, conversation: str) -> None:
        if entry.epoch != self._epoch:
            return
        if entry.is_probe:
            self._opened_at = self._clock()
            log.info("%s does not answer yet", self.name)
            return
        self._in_a_row += 1
        self._failed_for.add(conversation or f"#{self._in_a_row}")
        self._count(failed=True)
        is_row = self._in_a_row >= self._failures and len(self._failed_for) > 1
        total, failed = len(self._recent), self._recent_failures
        if is_row or (total >= self._requests and failed >= self._rate * total):
            why = f"{self._in_a_row} times in a row" if is_row else f"{failed} of {total} times"
            self._turn_over(opened_at=self._clock())
            words = (
                f"{self.name} has failed {why} and is not asked any more: whoever stands behind it answers. It is "
                f"tried again every {self._open_for:g} s."
            )
            self._notify(Notice("breaker", self.name, words))

    def _turn_over(self, *, opened_at: float | None) -> None:
        self._epoch += 1
        self._opened_at = opened_at
        self._in_a_row = self._recent_failures = 0
        self._failed_for.clear()
        self._recent.clear()

    def _count(self, *, failed: bool) -> None:
        now = self._clock()
        self._recent.append((now, failed))
        self._recent_failures += failed
        while now - self._recent[0][0] > self._window:
            self._recent_failures -= self._recent.popleft()[1]

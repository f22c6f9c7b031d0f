"""The one loop that tries again: a model, then the models behind it, then the policies' own words."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from bot.errors import ModelError, ModelRefused, ModelUnavailable
from bot.llm.alarm import Alarm, Late
from bot.llm.base import ChatModel, Finished, ModelEvent, ModelRequest, Restarted
from bot.llm.climb import Climb
from bot.metrics import Metrics
from bot.text import loggable

log = logging.getLogger(__name__)

_MOST_REMEMBERED = 10_000


class Ladder:
    """Asks `rungs` in order, each again while there is time (see `Climb`), and at last `last`, which needs nobody.

    `first_text`: seconds for trying again; a wait that does not fit is not begun. `turn`: seconds after which no
    model is asked or listened to any more. A request that is refused is raised: no other model is asked. One that is
    rejected is raised while it holds pictures, so that it is made again without them; without any it goes to `last`.
    Failures and new tries are counted in `metrics`.
    """

    def __init__(
        self,
        rungs: Sequence[ChatModel],
        *,
        last: ChatModel | None = None,
        metrics: Metrics | None = None,
        first_text: float = 8.0,
        turn: float = 180.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._rungs = tuple(rungs)
        self._last = last
        self._metrics = metrics
        self._first_text = first_text
        self._turn = turn
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._stands_at: dict[str, int] = {}
        """Conversation → the rung whose calls of tools are being made: it gets their results."""

    @property
    def name(self) -> str:
        """That of the model that is asked first."""
        first = self._rungs[0] if self._rungs else self._last
        return first.name if first is not None else "none"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        climb = self._begin(request)
        while True:
            model = self._model_of(climb)
            if climb.has_said:
                climb.voided()
                yield Restarted()
            alarm = Alarm(climb.ends, self._clock)
            try:
                async with aclosing(model.stream(request)) as events:
                    while (event := await alarm.next(events)) is not None:
                        climb.saw(event)
                        if isinstance(event, Finished):
                            self._remember(request, event, climb.rung)
                            yield replace(event, failures=climb.failures) if climb.failures else event
                            return
                        yield event
                raise ModelUnavailable("it ended without an end")
            except (Late, ModelError) as exc:
                if self._metrics is not None:
                    self._metrics.failed(model.name, exc)
                pause = self._after(exc, model, climb)
            finally:
                alarm.close()
            self._log(request, model, climb, pause)
            if pause:
                if self._metrics is not None:
                    self._metrics.retried(model.name)
                await self._sleep(pause)

    async def close(self) -> None:
        for model in (*self._rungs, self._last):
            if model is not None:
                await model.close()

    def _begin(self, request: ModelRequest) -> Climb:
        rung = self._stands_at.pop(request.conversation, 0)
        return Climb(
            request,
            len(self._rungs),
            began=self._clock(),
            first_text=self._first_text,
            turn=self._turn,
            chance=self._chance,
            rung=rung if request.rounds else 0,
        )

    def _model_of(self, climb: Climb) -> ChatModel:
        """Who is asked now. Raises the last failure when nobody is left."""
        if not climb.is_over:
            return self._rungs[climb.rung]
        if self._last is None:
            raise climb.why or ModelUnavailable("no model is configured", again=False)
        return self._last

    def _after(self, exc: Late | ModelError, model: ChatModel, climb: Climb) -> float:
        """The seconds to wait before the climb goes on after this failure. Raises what is not to be mended here."""
        climb.failures += 1
        if isinstance(exc, Late):
            exc = ModelUnavailable(f"no answer was whole within {self._turn:g} s", again=False)
            climb.give_up(exc)
        elif climb.is_over or isinstance(exc, ModelRefused):
            raise exc
        elif isinstance(exc, ModelUnavailable):
            return climb.failed(exc, self._clock())
        elif climb.may_go_without_pictures:
            raise exc
        else:
            climb.give_up(exc)
        return 0.0

    def _remember(self, request: ModelRequest, end: Finished, rung: int) -> None:
        if end.stop_reason == "tools" and rung and request.conversation and len(self._stands_at) < _MOST_REMEMBERED:
            self._stands_at[request.conversation] = rung

    def _log(self, request: ModelRequest, model: ChatModel, climb: Climb, pause: float) -> None:
        who = self._last if climb.is_over else self._rungs[climb.rung]
        then = f"{who.name if who else 'nobody else'} is asked{f' in {pause:.1f} s' if pause else ''}"
        why = loggable(str(climb.why).rstrip("."), request.messages[-1].text if request.messages else "")
        kind = type(climb.why).__name__
        log.info("conversation %s: %s: %s: %s: %s", request.conversation, model.name, kind, why, then)

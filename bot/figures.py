"""Joins the parts of the running program to its figures, and shows these to whoever has the token."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.chat import CallKind
from bot.inbox import Inbox
from bot.metrics import CONTENT_TYPE, Family, Metrics
from bot.scheduler import SendScheduler
from bot.storage.database import Database
from bot.storage.messages import StoredMessage
from bot.storage.turns import Answer, Turns

PATH = "/metrics"
DOORS = Family("shopdesk_door_on", "1 while a platform is connected", ("platform",))
CALLS = Family("shopdesk_platform_calls_total", "Calls that a platform took", ("platform", "kind"), "counter")
FAILURES = Family(
    "shopdesk_platform_failures_total",
    "Calls that it did not take: rate_limited is an answer 429",
    ("platform", "kind"),
    "counter",
)
DOUBTFUL = Family(
    "shopdesk_doubtful_sends_total",
    "Sends whose outcome is unknown: each may have left a bare beginning",
    ("platform",),
    "counter",
)
QUEUED = Family("shopdesk_calls_waiting", "Chats that wait for a call to be made", ("platform", "kind"))
PAGES = Family("shopdesk_page_streams", "Pages of the web chat that are open")
WAITING = Family("shopdesk_messages_waiting", "Messages that were received since the start and are not answered yet")
AT_WORK = Family("shopdesk_conversations_at_work", "Conversations that are worked on now")
_KINDS: tuple[CallKind, ...] = ("first", "refresh", "final")
_LAG_EVERY = 0.5

_Readings = Iterator[tuple[tuple[str, ...], float]]


class Door(Protocol):
    """What is looked at of a platform that is served."""

    @property
    def scheduler(self) -> SendScheduler: ...

    @property
    def state(self) -> str: ...


class CountedTurns(Turns):
    """Turns that are counted, once they are stored: what is counted is what `shopdesk stats` finds."""

    def __init__(self, database: Database, metrics: Metrics, *, has_desk: bool = False) -> None:
        super().__init__(database, has_desk=has_desk)
        self._metrics = metrics

    async def store(
        self, conversation_id: int, covers: Sequence[StoredMessage], answer: Answer, *, at: datetime
    ) -> None:
        await super().store(conversation_id, covers, answer, at=at)
        timings = answer.timings
        self._metrics.stored(
            answer.outcome, first_visible=_seconds(timings.first_visible_ms), complete=_seconds(timings.finished_ms)
        )
        for one in answer.spent:
            tokens = (
                ("input", one.input_tokens),
                ("output", one.output_tokens),
                ("cache_read", one.cache_read_tokens),
                ("cache_write", one.cache_write_tokens),
            )
            self._metrics.spent(one.model, tokens, one.cost)


def follow_serving(
    metrics: Metrics, doors: Mapping[str, Door], inbox: Inbox
) -> Callable[[], Coroutine[None, None, None]]:
    """Read doors and inbox whenever somebody asks; what is given is to run beside them, and measures the event loop."""
    metrics.follow(DOORS, lambda: [((name,), door.state == "on") for name, door in doors.items()])
    metrics.follow(CALLS, lambda: _calls(doors))
    metrics.follow(FAILURES, lambda: _failures(doors))
    metrics.follow(DOUBTFUL, lambda: [((name,), door.scheduler.counts.doubtful_sends) for name, door in doors.items()])
    metrics.follow(QUEUED, lambda: _queued(doors))
    metrics.follow(WAITING, lambda: [((), inbox.waiting)])
    metrics.follow(AT_WORK, lambda: [((), inbox.at_work)])
    return lambda: watch_loop(metrics)


async def watch_loop(
    metrics: Metrics,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Measure twice a second, until cancelled, how much later than asked for the event loop wakes us."""
    while True:
        due = clock() + _LAG_EVERY
        await sleep(_LAG_EVERY)
        metrics.lagged(clock() - due)


def metrics_routes(metrics: Metrics, token: SecretStr | None) -> list[Route]:
    """What the web server shows of the figures: nothing at all without a token of the shop's own.

    That somebody comes from this machine proves nothing: behind a web server every stranger does.
    """
    if token is None:
        return []
    wanted = f"Bearer {token.get_secret_value()}".encode()

    async def show(request: Request) -> Response:
        shown = request.headers.get("authorization", "").encode("latin-1", "replace")
        headers = {"cache-control": "no-store"}
        if not hmac.compare_digest(shown, wanted):
            return Response(status_code=401, headers={**headers, "www-authenticate": "Bearer"})
        return Response(metrics.text(), headers={**headers, "content-type": CONTENT_TYPE})

    return [Route(PATH, show, methods=["GET"])]


def _calls(doors: Mapping[str, Door]) -> _Readings:
    for name, door in doors.items():
        counts = door.scheduler.counts
        for kind, count in (("send", counts.sends), ("edit", counts.edits), ("typing", counts.typing_signs)):
            yield (name, kind), count


def _failures(doors: Mapping[str, Door]) -> _Readings:
    for name, door in doors.items():
        counts = door.scheduler.counts
        yield (name, "rate_limited"), counts.rate_limited
        yield (name, "refused"), counts.refused
        yield (name, "unavailable"), counts.unavailable


def _queued(doors: Mapping[str, Door]) -> _Readings:
    for name, door in doors.items():
        waiting = door.scheduler.waiting()
        for kind in _KINDS:
            yield (name, kind), waiting.get(kind, 0)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000

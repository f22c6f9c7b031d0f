"""One open event stream: carries a feed to a browser at the speed at which the browser reads."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from fastapi import Response
from starlette.types import Message, Receive, Scope, Send

from adapters.web.conversation import Feed
from adapters.web.server import Wire
from bot.errors import StorageError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: between two signs of life on a quiet stream, until a reader who takes nothing is let go, and until a
    request must have arrived.

    The first is below the idle time-out of the usual proxies (60 s) and of mobile networks.
    """

    heartbeat: float = 15.0
    stalled: float = 60.0
    request: float = 30.0


_OPENING = b"retry: 1500\n\n"
# A comment alone would be invisible to the page, which watches for a dead line itself.
_BEAT = b": beat\nevent: beat\ndata: 1\n\n"
_CROWDED = b"event: crowded\ndata: {}\n\n"


class EventStream(Response):
    """`open_feed` reads the transcript for a feed that needs it; `on_close` is called when the stream is over."""

    media_type = "text/event-stream"

    def __init__(
        self,
        feed: Feed,
        *,
        open_feed: Callable[[Feed], Awaitable[None]],
        on_close: Callable[[Feed], None],
        patience: Patience,
    ) -> None:
        super().__init__(headers={"cache-control": "no-store, no-transform", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._open_feed = open_feed
        self._on_close = on_close
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = asyncio.create_task(self._watch(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await self._carry(Wire.of(scope), send)
            await send(_part(b"", more=False))
        finally:
            self._on_close(self._feed)
            left.cancel()
            with suppress(asyncio.CancelledError):
                await left

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._feed.close()

    async def _carry(self, wire: Wire, send: Send) -> None:
        feed = self._feed
        await send(_part(_OPENING))
        while not feed.closed:
            feed.wake.clear()
            if not await wire.is_writable(self._patience.stalled):
                wire.abort()
                return
            if feed.needs_transcript:
                try:
                    await self._open_feed(feed)
                except StorageError:
                    log.warning("transcript not readable, stream closed")
                    return
            if chunk := feed.take():
                await send(_part(chunk))
                continue
            try:
                async with asyncio.timeout(self._patience.heartbeat):
                    await feed.wake.wait()
            except TimeoutError:
                await send(_part(_BEAT))
        if feed.crowded:
            await send(_part(_CROWDED))


def _part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}

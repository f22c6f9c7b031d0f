"""The page as a chat platform: answers grow in every open tab of a visitor, by Server-Sent Events."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from starlette.routing import BaseRoute

from adapters.web.page import Page
from adapters.web.reception import Reception
from adapters.web.routes import build_app
from adapters.web.server import WebServer, bind
from adapters.web.stream import Patience
from bot.chat import (
    Address,
    Attachment,
    MessageLimits,
    MessageRef,
    OutboundMessage,
    Ready,
    Receive,
    Transcript,
)
from bot.errors import MessageGone, Unavailable

_LIMITS = MessageLimits(
    max_units=60_000,
    min_interval=0.05,
    calls_in_flight=4096,
    typing_interval=4.0,
    shows_sources=True,
    marks_growing=True,
)


class WebPlatform:
    """The chat on the shop's own page.

    `transcript` reads what a visitor has seen so far, `greeting` gives the first words in a language,
    `readiness` says of every door "on" or why it is not, `link_hosts`
    names those that an answer may link to (see `bot.links`). `extra_routes` are served beside the page's own.
    `port` 0 takes any free port; `address` tells which.
    """

    name = "web"
    limits = _LIMITS

    def __init__(
        self,
        *,
        host: str,
        port: int,
        transcript: Transcript,
        greeting: Callable[[str], str],
        readiness: Callable[[], Mapping[str, str]],
        extra_routes: Sequence[BaseRoute] = (),
        shop_name: Callable[[], str] = lambda: "Shopdesk",
        link_hosts: Callable[[], Iterable[str]] = tuple,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        patience: Patience | None = None,
    ) -> None:
        self.address: tuple[str, int] | None = None
        """Where it listens, while it does."""
        self._host, self._port = host, port
        self._now = now
        self._reception = Reception(platform=self.name, transcript=transcript, clock=clock, now=now)
        page = Page(shop_name=shop_name, greeting=greeting, link_hosts=link_hosts)
        self._patience = patience or Patience()
        self._app = build_app(
            self._reception, page=page, readiness=readiness, extra_routes=extra_routes, patience=self._patience
        )

    @property
    def open_pages(self) -> int:
        """So many pages listen for what is new in them."""
        return sum(1 for _ in self._reception.conversations.feeds())

    @property
    def url(self) -> str:
        """The address of the page, as a browser on this machine takes it."""
        host, port = self.address or (self._host, self._port)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    async def run(self, receive: Receive, ready: Ready) -> None:
        """Serve the page until cancelled. Raises `Unavailable` or `AccountRejected` when it cannot."""
        listening = await bind(self._host, self._port)
        host, port = listening.getsockname()[:2]
        self.address = (host, port)
        self._reception.receive = receive
        server = WebServer(self._app, started=lambda: ready(f"at {self.url}"), request_patience=self._patience.request)
        serving = asyncio.create_task(server.serve([listening]), name="web-server")
        try:
            await asyncio.shield(serving)
        finally:
            for feed in list(self._reception.conversations.feeds()):
                feed.close()
            server.stop()
            await serving
            self._reception.receive = self.address = None
        raise Unavailable("The web server ended by itself.")

    async def close(self) -> None:
        """Everything was given back when `run` ended."""

    def measure(self, text: str) -> int:
        return len(text)

    def is_group(self, at: Address) -> bool:
        return False

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        """Show a new message; with a key that is known already it is an edit."""
        return await self.edit(MessageRef(to, key), message)

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        """Show the newest text. It costs no network here: each open tab takes it when it can."""
        self._reception.conversations.get(ref.address.chat_id).show(
            ref.message_id,
            "assistant",
            message.text,
            at=self._now(),
            growing=message.growing,
            sources=message.sources,
            asked=self._reception.asked_at(message.reply_to),
        )
        return ref

    async def show_typing(self, at: Address) -> None:
        self._reception.conversations.get(at.chat_id).show_typing()

    async def download(self, attachment: Attachment, *, limit: int) -> bytes:
        """Nothing can be attached on the page."""
        raise MessageGone(f"the web chat has no attachment {attachment.source_id}")

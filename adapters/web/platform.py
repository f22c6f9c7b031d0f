"""The page as a chat platform: answers grow in every open tab of a visitor, by Server-Sent Events."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from starlette.routing import BaseRoute

from adapters.web.page import Page
from adapters.web.reception import Reception
from adapters.web.routes import build_app
from adapters.web.server import WebServer, bind
from adapters.web.shelf import LARGEST_FILE, MOST_FILES, MemoryShelf
from adapters.web.stream import Patience
from bot.chat import (
    Address,
    Attachment,
    MessageLimits,
    MessageRef,
    OutboundMessage,
    Ready,
    Receive,
    Shelf,
    Shelved,
    Transcript,
)
from bot.errors import MessageGone, MessageRefused, StorageError, Unavailable

_LIMITS = MessageLimits(
    max_units=60_000,
    min_interval=0.05,
    calls_in_flight=4096,
    typing_interval=4.0,
    shows_sources=True,
    marks_growing=True,
    files=MOST_FILES,
    file_bytes=LARGEST_FILE,
)


class WebPlatform:
    """The chat on the shop's own page.

    `transcript` reads what a visitor has seen so far, `greeting` gives the first words in a language,
    `readiness` says of every door "on" or why it is not, `link_hosts`
    names those that an answer may link to (see `bot.links`). `shelf` keeps files that go out, which else are
    gone with the process. `extra_routes` are served beside the page's own.
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
        shelf: Shelf | None = None,
    ) -> None:
        self.address: tuple[str, int] | None = None
        """Where it listens, while it does."""
        self._host, self._port = host, port
        self._now = now
        self._shelf: Shelf = shelf or MemoryShelf()
        self._reception = Reception(platform=self.name, transcript=transcript, shelf=self._shelf, clock=clock, now=now)
        page = Page(shop_name=shop_name, greeting=greeting, link_hosts=link_hosts)
        self._patience = patience or Patience()
        self._app = build_app(
            self._reception,
            page=page,
            shelf=self._shelf,
            readiness=readiness,
            extra_routes=extra_routes,
            patience=self._patience,
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
        """Show a new message; with a key that is known already it is an edit. Files are kept first."""
        if any(len(file.data) > LARGEST_FILE for file in message.files) or len(message.files) > MOST_FILES:
            raise MessageRefused(f"The page takes {MOST_FILES} files of {LARGEST_FILE} bytes with one message.")
        if message.files:
            try:
                files = await self._shelf.put(to.chat_id, key, message.files)
            except StorageError as exc:
                raise Unavailable(f"A file for the page cannot be stored: {exc}", maybe_applied=False) from exc
            self._show(MessageRef(to, key), message, files)
        else:
            self._show(MessageRef(to, key), message)
        return MessageRef(to, key)

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        """Show the newest text. It costs no network here: each open tab takes it when it can."""
        conversation = self._reception.conversations.get(ref.address.chat_id)
        files = None
        if not message.growing and ref.message_id not in conversation.messages:
            # It is of long ago, and nobody has it at hand any more.
            with suppress(StorageError):
                files = (await self._shelf.of(ref.address.chat_id)).get(ref.message_id)
        self._show(ref, message, files)
        return ref

    def _show(self, ref: MessageRef, message: OutboundMessage, files: Sequence[Shelved] | None = None) -> None:
        self._reception.conversations.get(ref.address.chat_id).show(
            ref.message_id,
            "assistant",
            message.text,
            at=self._now(),
            growing=message.growing,
            sources=message.sources,
            files=files,
            offers=message.offers_person,
            asked=self._reception.asked_at(message.reply_to),
        )

    async def delete(self, ref: MessageRef) -> None:
        """Take a message off the page, in every open tab."""
        self._reception.conversations.get(ref.address.chat_id).delete(ref.message_id)
        with suppress(StorageError):
            await self._shelf.clear(ref.address.chat_id, ref.message_id)

    async def show_typing(self, at: Address) -> None:
        self._reception.conversations.get(at.chat_id).show_typing()

    async def download(self, attachment: Attachment, *, limit: int) -> bytes:
        """Nothing can be attached on the page."""
        raise MessageGone(f"the web chat has no attachment {attachment.source_id}")

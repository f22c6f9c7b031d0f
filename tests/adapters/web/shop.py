"""A shop for tests: the real web platform on a loopback port, with an engine that does what it is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from adapters.web.platform import WebPlatform
from bot.chat import (
    Address,
    InboundMessage,
    MessageRef,
    OutboundMessage,
    PastMessage,
    Source,
    UnreadableUpdate,
)

SOURCE = Source("s1", "Đổi trả", "Thời hạn", "Trong **7 ngày**.", "https://shop.example/doi-tra")


class Shop:
    """`received` is all that came in; `fail` is raised by `receive` instead, once it is set.

    `receive` waits for `gate`; a transcript that was `read` waits for `hand_over`.
    """

    def __init__(self, **extra: Any) -> None:
        self.received: list[InboundMessage] = []
        self.fail: Exception | None = None
        self.past: dict[str, list[PastMessage]] = {}
        self.doors = {"web": "on"}
        self.arrived = asyncio.Event()
        self.gate, self.read, self.hand_over = opened(), asyncio.Event(), opened()
        self.ready: list[str] = []
        self.started = asyncio.Event()
        given: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "shop_name": lambda: "Mộc Nhà"}
        self.web = WebPlatform(
            **(given | extra),
            transcript=self.transcript,
            greeting=lambda language: {"vi": "Chào bạn!", "en": "Hello!"}[language],
            readiness=lambda: self.doors,
        )

    async def transcript(self, at: Address) -> tuple[PastMessage, ...]:
        past = tuple(self.past.get(at.chat_id, ()))
        self.read.set()
        await self.hand_over.wait()
        return past

    async def receive(self, message: InboundMessage | UnreadableUpdate) -> None:
        assert isinstance(message, InboundMessage)
        self.arrived.set()
        await self.gate.wait()
        if self.fail:
            raise self.fail
        self.received.append(message)
        if message.command == "new":
            self.past.pop(message.address.chat_id, None)
        elif message.command is None:
            self.keep(message.address, message.message_id, "customer", message.text, at=message.sent_at)

    def keep(self, at_address: Address, key: str, role: Any, text: str, *, at: datetime | None = None) -> None:
        kept = self.past.setdefault(at_address.chat_id, [])
        if all(message.key != key for message in kept):
            kept.append(PastMessage(key, role, text, at or datetime.now(UTC)))

    async def answer(self, at: Address, pieces: Sequence[str], *, key: str, sources: tuple[Source, ...] = ()) -> None:
        """Grow a message piece by piece, letting the streams run in between, and store it."""
        text = ""
        for piece in pieces:
            text += piece
            await self.web.edit(MessageRef(at, key), OutboundMessage(text, growing=True))
            await asyncio.sleep(0)
        await self.web.edit(MessageRef(at, key), OutboundMessage(text, sources=sources))
        self.keep(at, key, "assistant", text)

    def on_ready(self, words: str) -> None:
        self.ready.append(words)
        self.started.set()

    @property
    def address(self) -> Address:
        """Where the newest message came from."""
        return self.received[-1].address


def opened() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@asynccontextmanager
async def open_shop(**extra: Any) -> AsyncIterator[Shop]:
    """A shop that serves; at the end it is cancelled and must leave cleanly."""
    shop = Shop(**extra)
    running = asyncio.create_task(shop.web.run(shop.receive, shop.on_ready))
    started = asyncio.create_task(shop.started.wait())
    try:
        await asyncio.wait({running, started}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield shop
    finally:
        started.cancel()
        running.cancel()
        await asyncio.wait({running})

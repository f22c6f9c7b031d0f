"""What the tests of the desk share: a door with a desk in the server's forum, and somebody who acts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.discord.desk.desk import DiscordDesk
from bot.chat import Address
from bot.desk import Action, ActionKind, ActionResult, Card, Post, PostMessage, StaffDesk
from bot.errors import PlatformError
from tests.adapters.discord.conftest import Desk, running
from tests.adapters.discord.words import desk_descriptions
from tests.servers.discord import Channel, DiscordServer, Message

LAN = Card("Lan · đổi trả", "**Lan** hỏi về đổi trả, đơn 1234.", "waiting")


class Office:
    """A running door, its desk, and what staff did there."""

    def __init__(self, door: Desk, desk: DiscordDesk) -> None:
        self.door = door
        self.desk = desk
        self.port: StaffDesk = desk
        self.actions: list[Action] = []
        self.results: list[ActionResult | Exception] = []
        """What `act` answers next; then that it is done."""
        self.gate = asyncio.Event()
        self.gate.set()
        desk.listen(self.act, self.complete)

    @property
    def server(self) -> DiscordServer:
        return self.door.server

    async def act(self, action: Action) -> ActionResult:
        self.actions.append(action)
        self.server.state.notify()
        await self.gate.wait()
        result = self.results.pop(0) if self.results else ActionResult("Done.")
        if isinstance(result, Exception):
            raise result
        return result

    async def complete(self, post: Address, kind: ActionKind, typed: str) -> tuple[str, ...]:
        return tuple(one for one in ("đổi trả", "giao hàng", "x" * 200) if one.startswith(typed))

    async def open(self, card: Card = LAN, key: str = "case 1") -> tuple[Post, Channel]:
        post = await self.desk.open_post(card, key=key)
        return post, self.thread(post)

    def thread(self, post: Post) -> Channel:
        return self.server.state.channels[int(post.address.chat_id.removeprefix("post:"))]

    def posts(self) -> list[Channel]:
        return self.server.state.threads(self.server.forum)

    def card(self, post: Post) -> Message:
        return next(one for one in self.server.messages(self.thread(post)) if str(one.id) == post.card_id)

    def shown(self, post: Post) -> list[tuple[str, str]]:
        """Author and words of what stands below the card."""
        there = self.server.messages(self.thread(post))
        return [(one.author.name, one.content) for one in there if str(one.id) != post.card_id]

    async def write(self, post: Post, text: str, key: str = "k", **fields: Any) -> str:
        ref = await self.desk.write(post, PostMessage("Lan", text, **fields), key=key)
        return ref.message_id


def button(message: Message, kind: str) -> str:
    """The name of a button under a message."""
    names: list[str] = [one["custom_id"] for row in message.components for one in row["components"]]
    return next(name for name in names if name.startswith(f"desk:{kind}:"))


@asynccontextmanager
async def at_work(server: DiscordServer, **options: Any) -> AsyncIterator[Office]:
    given: dict[str, Any] = {"tickets_channel_id": server.forum.id, "descriptions": desk_descriptions()}
    async with running(server, **(given | options)) as door:
        await server.wait_for(lambda: door.ready)
        desk = door.door.desk
        assert desk is not None
        await server.wait_for(lambda: server.state.commands)
        await soon(lambda: not why_not(desk))
        yield Office(door, desk)


def why_not(desk: DiscordDesk) -> str:
    """What keeps the desk from its forum; empty: nothing."""
    try:
        desk.link(Address("discord", "post:1"))
    except PlatformError as exc:
        return str(exc)
    return ""


async def soon(predicate: Callable[[], object]) -> None:
    """Wait for something inside of the door, of which the server hears nothing."""
    async with asyncio.timeout(10):
        while not predicate():  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(0)


@pytest.fixture
async def office(server: DiscordServer) -> AsyncIterator[Office]:
    async with at_work(server) as office:
        yield office

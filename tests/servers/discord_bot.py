"""A bot made with the real discord.py, for the tests of the loopback Discord."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.servers.discord import Channel, DiscordServer

T = TypeVar("T")


class Bot(discord.Client):
    """Remembers all that it was told."""

    def __init__(self, server: DiscordServer) -> None:
        intents = discord.Intents.default()
        intents.message_content = True
        nobody = discord.AllowedMentions.none()
        super().__init__(intents=intents, allowed_mentions=nobody, guild_ready_timeout=0.05)
        self.server = server
        self.tree = app_commands.CommandTree(self)
        self.heard: list[tuple[str, tuple[Any, ...]]] = []

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        self.heard.append((event, args))
        self.server.state.notify()
        super().dispatch(event, *args, **kwargs)

    async def hears(self, event: str, fits: Callable[..., bool] = lambda *_: True) -> Any:
        """What the first event of this name said, waited for."""

        def found() -> tuple[Any, ...] | None:
            fitting = (args for name, args in self.heard if name == event and fits(*args))
            return next(fitting, None)

        args = await self.server.wait_for(found, timeout=5.0)
        return args[0] if len(args) == 1 else args

    def forum(self) -> discord.ForumChannel:
        return self._channel(self.server.forum, discord.ForumChannel)

    def text(self) -> discord.TextChannel:
        return self._channel(self.server.general, discord.TextChannel)

    def _channel(self, channel: Channel, kind: type[T]) -> T:
        found = self.get_channel(channel.id)
        assert isinstance(found, kind)
        return found


class Caller:
    """A bot without a library."""

    def __init__(self, server: DiscordServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """The status of the answer, and its body."""
        headers = {"Authorization": f"Bot {self.server.token}"}
        given: dict[str, Any] = {"headers": headers} | options
        if body is not None:
            given["json"] = body
        async with self.session.request(
            method, yarl.URL(self.server.api_url + path, encoded=True), **given
        ) as response:
            return response.status, await response.json() if response.status != 204 else None

    async def code(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, int]:
        """The status of a refusal and Discord's code for it."""
        status, said = await self.call(method, path, body, **options)
        return status, 0 if said is None else said.get("code", 0)


@asynccontextmanager
async def connected(server: DiscordServer) -> AsyncIterator[Bot]:
    """A bot that knows the server and is told of everything."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = server.api_url, yarl.URL(server.gateway_url)
    bot = Bot(server)
    task = asyncio.create_task(bot.start(server.token))
    try:
        await server.wait_for(lambda: any(name == "ready" for name, _ in bot.heard) or task.done())
        yield bot
    finally:
        await bot.close()
        await asyncio.wait([task])
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before

"""Our discord.py client: which events it asks for, and whether it is connected."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.discord.commands import Descriptions, Extend, add_commands, build_tree
from adapters.discord.desk.buttons import DeskButton, DeskPicker, Presses
from adapters.discord.failures import CALL_ERRORS
from bot.chat import Command
from bot.errors import Unavailable

log = logging.getLogger(__name__)

NO_MENTIONS = discord.AllowedMentions.none()
_LONGEST_WAIT = 30.0
_SYNC_TIMEOUT = 8.0


class Listener(Protocol):
    """Takes what people do on Discord."""

    def begin_session(self, client: discord.Client) -> None:
        """Discord repeats nothing of what came before."""
        ...

    def server_is_here(self, client: discord.Client, guild: discord.Guild) -> None:
        """Its channels are known from now on."""
        ...

    def all_are_here(self, client: discord.Client) -> None:
        """So are all servers."""
        ...

    def hear(self, client: discord.Client, message: discord.Message, *, edited: bool) -> None: ...

    def lose(self, client: discord.Client, channel_id: int, message_ids: Collection[int]) -> None:
        """Messages were deleted."""
        ...

    async def take(self, interaction: discord.Interaction, command: Command | None, text: str) -> None: ...


def redirect(api_url: str | None, gateway_url: str | None) -> None:
    """Send discord.py to other addresses than Discord's own (a test server, a relay).

    The library keeps them in class attributes, so this holds for all of its clients in the process; and
    likewise that it need not warn about libraries for voice calls, which nobody makes here.
    """
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    if api_url is not None:
        Route.BASE = api_url.rstrip("/")
    if gateway_url is not None:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


class DeskClient(discord.Client):
    """A client that tells `listener` what people do, and calls `on_online` each time it is connected anew.

    `desk` takes what is pressed in the staff's posts, `extend` adds its commands. `reidentify_after` are the
    seconds before a lost session is opened anew: Discord allows one in five.
    """

    def __init__(
        self,
        listener: Listener,
        *,
        on_online: Callable[[], None],
        descriptions: Mapping[str, Mapping[str, str]],
        reidentify_after: float,
        desk: Presses | None = None,
        extend: Extend | None = None,
    ) -> None:
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = intents.message_content = True
        super().__init__(
            intents=intents,
            allowed_mentions=NO_MENTIONS,
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_ratelimit_timeout=_LONGEST_WAIT,
        )
        self._listener = listener
        self._on_online = on_online
        self._reidentify_after = reidentify_after
        self._online = asyncio.Event()
        self._offline = asyncio.Event()
        self._offline.set()
        self._descriptions = descriptions
        self.desk = desk
        """Where the buttons of the desk lead."""
        self._extend = extend
        self.tree = build_tree(self, descriptions, listener.take, extend)

    async def setup_hook(self) -> None:
        if self.desk is not None:
            self.add_dynamic_items(DeskButton, DeskPicker)
        await self._register_commands()

    async def show_commands(self, descriptions: Mapping[str, Mapping[str, str]]) -> None:
        """Describe the commands in other words. Discord counts new commands a day, and none of these is new."""
        if descriptions != self._descriptions:
            self._descriptions = descriptions
            add_commands(self.tree, descriptions, self._listener.take, self._extend)
            await self._register_commands()

    async def _register_commands(self) -> None:
        """Without them the bot still answers to its name."""
        await self.tree.set_translator(Descriptions(self._descriptions))
        try:
            async with asyncio.timeout(_SYNC_TIMEOUT):
                await self.tree.sync()
        except CALL_ERRORS as exc:
            log.warning(
                "Discord did not take the slash commands (%s); they are as they were before.", type(exc).__name__
            )

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        if not initial:
            await asyncio.sleep(self._reidentify_after)

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        # The task of discord.py 2.7.1 that waits for all servers outlives its client, and trips over that it is closed.
        if not self.is_closed():
            super().dispatch(event, *args, **kwargs)

    async def on_connect(self) -> None:
        self._came_back()
        self._on_online()
        self._listener.begin_session(self)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        self._listener.server_is_here(self, guild)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        self._listener.server_is_here(self, guild)

    async def on_ready(self) -> None:
        self._listener.all_are_here(self)

    async def on_resumed(self) -> None:
        self._came_back()

    async def on_disconnect(self) -> None:
        self._online.clear()
        self._offline.set()

    async def on_message(self, message: discord.Message) -> None:
        self._listener.hear(self, message, edited=False)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        # Discord also "updates" a message to add a link preview; only an edit by its author has a time.
        if payload.message.edited_at is not None:
            self._listener.hear(self, payload.message, edited=True)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self._listener.lose(self, payload.channel_id, (payload.message_id,))

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        self._listener.lose(self, payload.channel_id, payload.message_ids)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        # What a form says is read here and not by the object that showed it, which may be of an earlier process.
        if self.desk is not None and interaction.type is discord.InteractionType.modal_submit:
            await self.desk.submitted(interaction)

    def _came_back(self) -> None:
        self._offline.clear()
        self._online.set()

    async def away_longer_than(self, seconds: float) -> None:
        """Wait until the connection has been down for so long; then raise `Unavailable`.

        discord.py would go on trying by itself, with pauses that grow to a quarter of an hour.
        """
        while True:
            await self._offline.wait()
            try:
                async with asyncio.timeout(seconds):
                    await self._online.wait()
            except TimeoutError:
                raise Unavailable(f"Discord's gateway was not reached for {seconds:g} s.") from None

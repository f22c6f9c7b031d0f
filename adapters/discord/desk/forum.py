"""The forum of the desk as Discord has it at the moment, and calls about its posts."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import discord

from adapters.discord.calls import Calls
from adapters.discord.desk.failures import LOCKED, NOT_WHILE_ARCHIVED, WHERE, code_of, desk_error
from adapters.discord.invite import invite_url
from bot.errors import AccountRejected, PlatformError, Unavailable

T = TypeVar("T")


class Forum:
    """`connected` gives the client, or raises `Unavailable`."""

    def __init__(self, forum_id: int, *, connected: Callable[[], discord.Client], calls: Calls) -> None:
        self.id = forum_id
        self._connected = connected
        self._calls = calls

    @property
    def client(self) -> discord.Client:
        return self._connected()

    def channel(self) -> discord.ForumChannel:
        """The forum. Raises `AccountRejected` with what the operator should do when there is none."""
        client = self._connected()
        channel = client.get_channel(self.id)
        if isinstance(channel, discord.ForumChannel):
            return channel
        if channel is not None:
            raise AccountRejected(
                f"Discord: the channel {self.id} is no forum: set DISCORD_TICKETS_CHANNEL_ID to the id of one."
            )
        if not client.is_ready() or any(guild.unavailable for guild in client.guilds):
            raise Unavailable("Discord has not sent all servers of the bot yet.", maybe_applied=False)
        if not client.guilds:
            url = invite_url(client.application_id or 0)
            raise AccountRejected(f"Discord: the bot is in no server any more, cases wait: invite it, {url}.")
        raise AccountRejected(
            f"Discord: the bot sees no forum {self.id}: correct DISCORD_TICKETS_CHANNEL_ID, or give it View Channel "
            f"({WHERE})."
        )

    def thread(self, thread_id: int) -> discord.Thread | None:
        """A post, unless it is closed."""
        found = self._connected().get_channel(thread_id)
        return found if isinstance(found, discord.Thread) else None

    def newest_message(self, thread_id: int) -> int:
        """The id of the newest message that is known of in a post."""
        thread = self.thread(thread_id)
        return (thread.last_message_id if thread else None) or thread_id

    def place(self, thread_id: int) -> discord.PartialMessageable:
        """Where messages of a post are written, open or closed."""
        return self._connected().get_partial_messageable(thread_id)

    def link(self, thread_id: int, message_id: str | None = None) -> str:
        """The address at which staff open a post, or a message in it."""
        link = f"https://discord.com/channels/{self.channel().guild.id}/{thread_id}"
        return f"{link}/{message_id}" if message_id else link

    def may(self, permission: str) -> bool:
        """Whether the bot has this permission in the forum; yes where that is not known."""
        forum = self.channel()
        return forum.guild.me is None or bool(getattr(forum.permissions_for(forum.guild.me), permission))

    async def call(self, call: Awaitable[T], thread_id: int) -> T:
        """Make a call about a post. Raises the errors of `StaffDesk`."""
        try:
            return await self._calls.make(call, f"post {thread_id}")
        except PlatformError as exc:
            raise self.error(exc) from exc

    async def awake(self, call: Callable[[], Awaitable[T]], thread_id: int) -> T:
        """The same with what takes no effect in a post that is closed: it is opened first."""
        try:
            return await self._calls.make(call(), f"post {thread_id}")
        except PlatformError as exc:
            if code_of(exc) not in (NOT_WHILE_ARCHIVED, LOCKED):
                raise self.error(exc) from exc
        await self.change(thread_id, archived=False, locked=False)
        return await self.call(call(), thread_id)

    async def change(self, thread_id: int, **changes: Any) -> None:
        """Change a post. To lock and unlock takes a permission of its own: it is only asked for where it is needed."""
        thread = self.thread(thread_id)
        if "locked" in changes and thread is not None and thread.locked == changes["locked"]:
            del changes["locked"]
        if "locked" in changes and not self.may("manage_threads"):
            del changes["locked"]
        if not changes:
            return
        edit = self._connected().http.edit_channel
        try:
            await self._calls.make(edit(thread_id, **changes), f"post {thread_id}")
        except PlatformError as exc:
            if "archived" in changes or code_of(exc) != NOT_WHILE_ARCHIVED:
                raise self.error(exc) from exc
            # It was closed a moment ago.
            await self.call(edit(thread_id, archived=False, **changes), thread_id)

    def error(self, exc: PlatformError) -> PlatformError:
        """What a failed call about a post means at the desk."""
        channel = self._connected().get_channel(self.id)
        return desk_error(exc, channel if isinstance(channel, discord.abc.GuildChannel) else None)

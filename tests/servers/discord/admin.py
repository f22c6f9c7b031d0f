"""What the owner of a server on the loopback Discord does to it: permissions, threads, the bot's place in it."""

from datetime import timedelta
from typing import Any

from tests.servers.discord.gateway import GUILDS
from tests.servers.discord.messages import Message
from tests.servers.discord.state import State
from tests.servers.discord.world import PERMISSIONS, Channel, Guild, Role, User


class Admin:
    """Everything takes effect at once and is told to the bot as Discord tells it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def deny(self, channel: Channel, *permissions: str) -> None:
        """Take permissions from the bot in a channel (for its threads and posts too)."""
        channel.denied |= {name for name in permissions if PERMISSIONS[name]}
        self._state.announce("CHANNEL_UPDATE", channel)

    def allow(self, channel: Channel, *permissions: str) -> None:
        """Give back what was denied."""
        channel.denied -= set(permissions)
        self._state.announce("CHANNEL_UPDATE", channel)

    def revoke(self, guild: Guild, *permissions: str) -> None:
        """Take permissions from the bot in the whole server: from its own role and from everybody."""
        for role in self._roles_of_bot(guild):
            role.permissions &= ~sum(PERMISSIONS[name] for name in permissions)
            self._tell_role(guild, role)

    def grant(self, guild: Guild, *permissions: str) -> None:
        """Give the bot's own role these permissions."""
        role = next(one for one in guild.roles if one.bot_id == self._state.bot.id)
        role.permissions |= sum(PERMISSIONS[name] for name in permissions)
        self._tell_role(guild, role)

    def _roles_of_bot(self, guild: Guild) -> list[Role]:
        return [role for role in guild.roles if role.id == guild.id or role.bot_id == self._state.bot.id]

    def _tell_role(self, guild: Guild, role: Role) -> None:
        data = {"guild_id": str(guild.id), "role": role.payload()}
        self._state.gateway.dispatch("GUILD_ROLE_UPDATE", GUILDS, lambda _: data)

    def delete(self, channel: Channel) -> None:
        """Delete a thread, a post, a channel or a forum with all its posts."""
        self._state.forget(channel)

    def change(self, thread: Channel, *, by: User | None = None, **fields: Any) -> None:
        """Change `name`, `archived`, `locked`, `applied_tags` or `auto_archive` of a thread or post.

        A new name shows as a message of its own, by the person who gave it.
        """
        self._state.change_thread(thread, by=by or self._state.users[self._guild(thread).owner_id], **fields)

    def _guild(self, channel: Channel) -> Guild:
        assert channel.guild is not None
        return channel.guild

    def purge(self, messages: list[Message]) -> None:
        """Delete many messages of one channel at a stroke."""
        self._state.remove_many(messages)

    def age(self, message: Message, seconds: float) -> None:
        """Let a message be older than it is."""
        message.created -= timedelta(seconds=seconds)
        message.history[0] = (message.history[0][0] - seconds, message.history[0][1])

    def add_emoji(self, guild: Guild, name: str) -> str:
        """A picture of the server's own, as it is named in the path of a reaction: `name:id`."""
        emoji_id = next(self._state.ids)
        guild.emojis[emoji_id] = name
        emojis = guild.payload()["emojis"]
        data = {"guild_id": str(guild.id), "emojis": emojis}
        self._state.gateway.dispatch("GUILD_EMOJIS_UPDATE", 1 << 3, lambda _: data)
        return f"{name}:{emoji_id}"

    def kick_bot(self, guild: Guild) -> None:
        """Throw the bot out of the server."""
        self._state.guilds.remove(guild)
        self._state.gateway.dispatch("GUILD_DELETE", GUILDS, lambda _: {"id": str(guild.id)})

    def invite_bot(self, guild: Guild) -> None:
        """Let the bot in (again)."""
        self._state.guilds.append(guild)
        # Only of a server that was known before it is said whether it is unavailable.
        data = {name: value for name, value in self._state.guild_payload(guild).items() if name != "unavailable"}
        self._state.gateway.dispatch("GUILD_CREATE", GUILDS, lambda _: data)

    def outage(self, guild: Guild) -> None:
        """The server is unavailable; `invite_bot` is not needed: `Gateway.send_guilds` ends it."""
        data = {"id": str(guild.id), "unavailable": True}
        self._state.gateway.dispatch("GUILD_DELETE", GUILDS, lambda _: data)

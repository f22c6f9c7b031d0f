"""The state of the loopback Discord and the changes to it: each change tells the gateway and whoever waits."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.servers.discord.gateway import (
    DIRECT_MESSAGES,
    GUILD_MESSAGES,
    GUILDS,
    MESSAGE_CONTENT,
    Gateway,
    Shape,
)
from tests.servers.discord.world import (
    DEFAULT,
    DM,
    EVERYBODY_MAY,
    FORUM,
    PERMISSIONS,
    REPLY,
    THREADS,
    Channel,
    Guild,
    Message,
    Payload,
    Role,
    User,
    now,
    snowflakes,
)


@dataclass(eq=False)
class Interaction:
    """One slash command as it was used. `response` is what its answer shows, ephemeral ones included."""

    id: int
    token: str
    channel: Channel
    user: User
    created: float
    acknowledged: bool = False
    response: Message | None = None
    followups: list[Message] = field(default_factory=list)


class ApiError(Exception):
    """A refusal as Discord words it."""

    def __init__(self, status: int, code: int, message: str, errors: Payload | None = None) -> None:
        self.status = status
        self.body: Payload = {"message": message, "code": code}
        if errors is not None:
            self.body["errors"] = errors
        super().__init__(f"{status} {code} {message}")


def invalid_form(name: str, kind: str, text: str) -> ApiError:
    return ApiError(400, 50035, "Invalid Form Body", {name: {"_errors": [{"code": kind, "message": text}]}})


class State:
    gateway: Gateway

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.ids: Iterator[int] = snowflakes()
        self.bot = User(next(self.ids), "Shopdesk", bot=True)
        self.guilds: list[Guild] = []
        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.channels: dict[int, Channel] = {}
        self.commands: dict[int | None, list[Payload]] = {}
        """Guild id (None: everywhere) → the commands that are registered there."""
        self.interactions: dict[int, Interaction] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def notify(self) -> None:
        """Wake everybody who waits for something."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def change_comes(self) -> None:
        """Wait for the next change of anything."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def new_user(self, name: str) -> User:
        user = User(next(self.ids), name)
        self.users[user.id] = user
        return user

    def new_guild(self, name: str, owner: User) -> Guild:
        guild = Guild(next(self.ids), name, owner.id)
        guild.roles.append(Role(guild.id, "@everyone", EVERYBODY_MAY))
        own = Role(next(self.ids), self.bot.name, 0, bot_id=self.bot.id)
        guild.roles.append(own)
        for user, roles in ((self.bot, [own.id]), (owner, [])):
            guild.members[user.id] = user
            guild.member_roles[user.id] = list(roles)
        self.guilds.append(guild)
        return guild

    def new_channel(self, kind: int, **fields: Any) -> Channel:
        channel = Channel(next(self.ids), kind, **fields)
        self.channels[channel.id] = channel
        parent = self.channels.get(channel.parent_id or 0)
        if parent is not None and parent.kind == FORUM:
            parent.last_thread_id = channel.id
        return channel

    def announce(self, event: str, channel: Channel) -> None:
        if hasattr(self, "gateway"):
            self.gateway.dispatch(event, GUILDS, lambda _: channel.payload())

    def direct_channel(self, user: User) -> Channel:
        for channel in self.channels.values():
            if channel.recipient is user:
                return channel
        return self.new_channel(DM, recipient=user)

    def guild_payload(self, guild: Guild) -> Payload:
        own = [channel for channel in self.channels.values() if channel.guild is guild]
        return guild.payload() | {
            "channels": [channel.payload() for channel in own if channel.kind not in THREADS],
            "threads": [channel.payload() for channel in own if channel.kind in THREADS and not channel.archived],
            "members": [guild.member_payload(self.bot)],
        }

    def channel(self, channel_id: int) -> Channel:
        channel = self.channels.get(channel_id)
        if channel is None or (channel.guild is not None and channel.guild not in self.guilds):
            raise ApiError(404, 10003, "Unknown Channel")
        return channel

    def message(self, channel: Channel, message_id: int) -> Message:
        for message in channel.messages:
            if message.id == message_id and not message.deleted and not message.ephemeral:
                return message
        raise ApiError(404, 10008, "Unknown Message")

    def require(self, channel: Channel, *permissions: str) -> None:
        """Raise as Discord does when the bot may not see or use the channel."""
        denied = self._denied(channel)
        if "VIEW_CHANNEL" in denied:
            raise ApiError(403, 50001, "Missing Access")
        if denied & set(permissions):
            raise ApiError(403, 50013, "Missing Permissions")

    def may(self, channel: Channel, permission: str) -> bool:
        """Whether the bot may do this there, where it is no error when it may not."""
        return permission not in self._denied(channel)

    def _denied(self, channel: Channel) -> set[str]:
        places = [channel, *([self.channels[channel.parent_id]] if channel.parent_id in self.channels else [])]
        return set().union(*(place.denied for place in places))

    def post(self, channel: Channel, author: User, content: str, **fields: Any) -> Message:
        kind = fields.pop("kind", REPLY if fields.get("replied_to") else DEFAULT)
        message = Message(next(self.ids), channel, author, content, now(), kind=kind, **fields)
        message.history.append((self.clock(), content))
        channel.messages.append(message)
        self.tell("MESSAGE_CREATE", message)
        return message

    def change(self, message: Message, content: str, *, flags: int | None = None) -> None:
        message.content = content
        message.edited = now()
        message.flags = message.flags if flags is None else flags
        message.history.append((self.clock(), content))
        self.tell("MESSAGE_UPDATE", message)

    def remove(self, message: Message) -> None:
        message.deleted = True
        place = {"id": str(message.id), "channel_id": str(message.channel.id)}
        if message.channel.guild is not None:
            place["guild_id"] = str(message.channel.guild.id)
        self.gateway.dispatch("MESSAGE_DELETE", _message_intent(message), lambda _: place)

    def tell(self, event: str, message: Message) -> None:
        if message.ephemeral:
            self.notify()
            return
        self.gateway.dispatch(event, _message_intent(message), self._shape(message))

    def _shape(self, message: Message) -> Shape:
        channel, guild = message.channel, message.channel.guild
        hidden = "VIEW_CHANNEL" in channel.denied or (guild is not None and guild not in self.guilds)

        def shape(intents: int) -> Payload | None:
            if hidden:
                return None
            data = message.payload()
            if guild is not None:
                data["guild_id"] = str(guild.id)
                if message.author.id in guild.members:
                    data["member"] = guild.member_payload(message.author, with_user=False)
                for mentioned in data["mentions"]:
                    user = guild.members[int(mentioned["id"])]
                    mentioned["member"] = guild.member_payload(user, with_user=False)
            addressed = guild is None or self.bot in (message.author, *message.mentioned_users())
            if not intents & MESSAGE_CONTENT and not addressed:
                data |= {"content": "", "attachments": [], "embeds": [], "components": []}
            return data

        return shape

    def interaction_payload(self, interaction: Interaction, application_id: int, data: Payload, locale: str) -> Payload:
        channel, guild, user = interaction.channel, interaction.channel.guild, interaction.user
        payload: Payload = {
            "id": str(interaction.id),
            "application_id": str(application_id),
            "type": 2,
            "token": interaction.token,
            "version": 1,
            "data": data,
            "channel_id": str(channel.id),
            "channel": channel.payload(),
            "locale": locale,
            "entitlements": [],
            "authorizing_integration_owners": {"0": str(guild.id) if guild else "0"},
            "attachment_size_limit": 10_485_760,
            "app_permissions": str(EVERYBODY_MAY),
            "context": 0 if guild else 1,
        }
        if guild is None:
            return payload | {"user": user.payload()}
        permissions = guild.permissions_of(user.id)
        if permissions & PERMISSIONS["ADMINISTRATOR"]:
            permissions |= sum(PERMISSIONS.values())
        member = guild.member_payload(user) | {"permissions": str(permissions)}
        return payload | {
            "guild_id": str(guild.id),
            "guild": {"id": str(guild.id), "locale": "en-US", "features": []},
            "guild_locale": "en-US",
            "member": member,
        }


def _message_intent(message: Message) -> int:
    return DIRECT_MESSAGES if message.channel.guild is None else GUILD_MESSAGES

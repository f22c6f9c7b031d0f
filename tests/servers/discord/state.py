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
from tests.servers.discord.messages import Message
from tests.servers.discord.world import (
    DEFAULT,
    DM,
    EVERYBODY_MAY,
    FORUM,
    INVITED_WITH,
    PERMISSIONS,
    RENAMED,
    REPLY,
    THREADS,
    Channel,
    Guild,
    Payload,
    Role,
    User,
    now,
    snowflakes,
)

COMMAND, COMPONENT, COMPLETION, MODAL = 2, 3, 4, 5


@dataclass(eq=False)
class Interaction:
    """A command, a button, a form or a completion as it was used; `kind` is Discord's number for it.

    `response` is the message that its answer shows, ephemeral ones included; `source` is the message whose button
    was pressed. `answer` is the number of the answer's kind; `modal` is the form that was opened; `choices` is what
    a completion offered.
    """

    id: int
    token: str
    channel: Channel
    user: User
    created: float
    kind: int = COMMAND
    source: Message | None = None
    acknowledged: bool = False
    answer: int | None = None
    response: Message | None = None
    followups: list[Message] = field(default_factory=list)
    modal: Payload | None = None
    choices: list[Payload] | None = None


@dataclass(eq=False)
class Webhook:
    """Whoever knows the `token` can write into the channel through it."""

    id: int
    token: str
    name: str
    channel: Channel
    application_id: int | None


class ApiError(Exception):
    """A refusal as Discord words it."""

    def __init__(self, status: int, code: int, message: str, errors: Payload | None = None) -> None:
        self.status = status
        self.headers: dict[str, str] = {}
        self.body: Payload = {"message": message, "code": code}
        if errors is not None:
            self.body["errors"] = errors
        super().__init__(f"{status} {code} {message}")


def invalid_form(name: str, kind: str, text: str) -> ApiError:
    """`name` is the path to the field, with dots."""
    errors: Payload = {"_errors": [{"code": kind, "message": text}]}
    for part in reversed(name.split(".")):
        errors = {part: errors}
    return ApiError(400, 50035, "Invalid Form Body", errors)


def too_many(retry_after: float) -> ApiError:
    """A 429 for a limit that no header told of before."""
    error = ApiError(429, 0, "You are being rate limited.")
    error.body = {"message": "You are being rate limited.", "retry_after": round(retry_after, 3), "global": False}
    error.headers = {"Via": "1.1 google", "Retry-After": str(int(retry_after) + 1), "X-RateLimit-Scope": "shared"}
    return error


class State:
    gateway: Gateway

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, max_active_threads: int = 1000) -> None:
        self.clock = clock
        self.max_active_threads = max_active_threads
        self.ids: Iterator[int] = snowflakes()
        self.bot = User(next(self.ids), "Shopdesk", bot=True)
        self.guilds: list[Guild] = []
        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.channels: dict[int, Channel] = {}
        self.commands: dict[int | None, list[Payload]] = {}
        """Guild id (None: everywhere) → the commands that are registered there."""
        self.interactions: dict[int, Interaction] = {}
        self.webhooks: dict[int, Webhook] = {}
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
        own = Role(next(self.ids), self.bot.name, INVITED_WITH, bot_id=self.bot.id)
        guild.roles.append(own)
        for user, roles in ((self.bot, [own.id]), (owner, [])):
            guild.members[user.id] = user
            guild.member_roles[user.id] = list(roles)
        self.guilds.append(guild)
        return guild

    def new_channel(self, kind: int, *, channel_id: int | None = None, **fields: Any) -> Channel:
        channel = Channel(channel_id or next(self.ids), kind, **fields)
        self.channels[channel.id] = channel
        parent = self.channels.get(channel.parent_id or 0)
        if parent is not None and parent.kind == FORUM:
            parent.last_thread_id = channel.id
        return channel

    def announce(self, event: str, channel: Channel) -> None:
        data = channel.payload()
        if event == "THREAD_CREATE":
            data["newly_created"] = True
        if event == "THREAD_DELETE":
            data = {name: data[name] for name in ("id", "guild_id", "parent_id", "type")}
        self.tell_guild(event, channel, GUILDS, data)

    def tell_guild(self, event: str, channel: Channel, intent: int, data: Payload) -> None:
        """Tell of something in a channel, if the bot may see it."""
        if hasattr(self, "gateway"):
            hidden = self._hidden(channel)
            self.gateway.dispatch(event, intent, lambda _: None if hidden else data)

    def _hidden(self, channel: Channel) -> bool:
        away = channel.guild is not None and channel.guild not in self.guilds
        return away or "VIEW_CHANNEL" in self._denied(channel)

    def forget(self, channel: Channel) -> None:
        """A thread or channel was deleted, with all that is in it."""
        if channel.kind in THREADS:
            self.channels.pop(channel.id, None)
            self.announce("THREAD_DELETE", channel)
            return
        for thread in self.threads(channel):
            self.channels.pop(thread.id, None)
        self.channels.pop(channel.id, None)
        self.webhooks = {one.id: one for one in self.webhooks.values() if one.channel is not channel}
        self.announce("CHANNEL_DELETE", channel)

    def threads(self, parent: Channel) -> list[Channel]:
        return [one for one in self.channels.values() if one.parent_id == parent.id and one.kind in THREADS]

    def active_threads(self, guild: Guild) -> list[Channel]:
        own = (channel for channel in self.channels.values() if channel.guild is guild and channel.kind in THREADS)
        return [channel for channel in own if not channel.archived]

    def make_room(self, guild: Guild) -> None:
        """Raise when one more active thread would be too many."""
        if len(self.active_threads(guild)) >= self.max_active_threads:
            raise ApiError(400, 160006, "Maximum number of active threads reached")

    def bring_back(self, thread: Channel) -> None:
        """A thread that is put away is active again, because something was written into it."""
        if not thread.archived:
            return
        assert thread.guild is not None
        self.make_room(thread.guild)
        self.change_thread(thread, archived=False)

    def change_thread(self, thread: Channel, *, by: User | None = None, **fields: Any) -> None:
        """Change attributes of a thread and tell of it; a new name also with a message of whoever gave it.

        Source: docs.discord.com/developers/topics/threads, New Message Types.
        """
        renamed = fields.get("name", thread.name) != thread.name
        for name, value in fields.items():
            setattr(thread, name, value)
        if fields.keys() & {"archived", "auto_archive"}:
            thread.archived_at = now()
        self.announce("THREAD_UPDATE", thread)
        if renamed:
            self.post(thread, by or self.bot, thread.name, kind=RENAMED)

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
        if channel is None:
            raise ApiError(404, 10003, "Unknown Channel")
        if channel.guild is not None and channel.guild not in self.guilds:
            raise ApiError(403, 50001, "Missing Access")
        return channel

    def guild(self, guild_id: int) -> Guild:
        for guild in self.guilds:
            if guild.id == guild_id:
                return guild
        raise ApiError(404, 10004, "Unknown Guild")

    def message(self, channel: Channel, message_id: int) -> Message:
        for message in channel.messages:
            if message.id == message_id and not message.deleted and not message.ephemeral:
                return message
        raise ApiError(404, 10008, "Unknown Message")

    def require(self, channel: Channel, *permissions: str) -> None:
        """Raise as Discord does when the bot may not see or use the channel."""
        if "VIEW_CHANNEL" in self._denied(channel):
            raise ApiError(403, 50001, "Missing Access")
        if not all(self.may(channel, permission) for permission in permissions):
            raise ApiError(403, 50013, "Missing Permissions")

    def require_in_guild(self, guild: Guild, permission: str) -> None:
        granted = guild.permissions_of(self.bot.id)
        if not granted & (PERMISSIONS[permission] | PERMISSIONS["ADMINISTRATOR"]):
            raise ApiError(403, 50013, "Missing Permissions")

    def may(self, channel: Channel, permission: str) -> bool:
        """Whether the bot may do this there, where it is no error when it may not."""
        if channel.guild is None:
            return permission not in self._denied(channel)
        granted = channel.guild.permissions_of(self.bot.id)
        if granted & PERMISSIONS["ADMINISTRATOR"]:
            return True
        return permission not in self._denied(channel) and bool(granted & PERMISSIONS[permission])

    def permissions_in(self, channel: Channel) -> int:
        """The bits of what the bot may do there."""
        return sum(bit for name, bit in PERMISSIONS.items() if self.may(channel, name))

    def _denied(self, channel: Channel) -> set[str]:
        places = [channel, *([self.channels[channel.parent_id]] if channel.parent_id in self.channels else [])]
        return set().union(*(place.denied for place in places))

    def post(self, channel: Channel, author: User, content: str, **fields: Any) -> Message:
        kind = fields.pop("kind", REPLY if fields.get("replied_to") else DEFAULT)
        message_id = fields.pop("id", None) or next(self.ids)
        message = Message(message_id, channel, author, content, now(), kind=kind, **fields)
        message.history.append((self.clock(), content))
        channel.messages.append(message)
        self.tell("MESSAGE_CREATE", message)
        return message

    def change(self, message: Message, content: str, **fields: Any) -> None:
        """Edit a message: its content, and whatever other attributes are given."""
        message.content = content
        message.edited = now()
        for name, value in fields.items():
            setattr(message, name, value)
        message.history.append((self.clock(), content))
        self.tell("MESSAGE_UPDATE", message)

    def remove(self, message: Message) -> None:
        message.deleted = True
        place = {"id": str(message.id), "channel_id": str(message.channel.id)}
        if message.channel.guild is not None:
            place["guild_id"] = str(message.channel.guild.id)
        hidden = self._hidden(message.channel)
        self.gateway.dispatch("MESSAGE_DELETE", _message_intent(message), lambda _: None if hidden else place)

    def remove_many(self, messages: list[Message]) -> None:
        """Several messages of one channel are deleted at a stroke."""
        channel = messages[0].channel
        for message in messages:
            message.deleted = True
        data: Payload = {"ids": [str(message.id) for message in messages], "channel_id": str(channel.id)}
        if channel.guild is not None:
            data["guild_id"] = str(channel.guild.id)
        self.tell_guild("MESSAGE_DELETE_BULK", channel, _message_intent(messages[0]), data)

    def tell(self, event: str, message: Message) -> None:
        if message.ephemeral:
            self.notify()
            return
        self.gateway.dispatch(event, _message_intent(message), self._shape(message))

    def _shape(self, message: Message) -> Shape:
        guild, hidden = message.channel.guild, self._hidden(message.channel)

        def shape(intents: int) -> Payload | None:
            if hidden:
                return None
            data = message.payload()
            if guild is not None:
                data["guild_id"] = str(guild.id)
                if message.webhook_id is None and message.author.id in guild.members:
                    data["member"] = guild.member_payload(message.author, with_user=False)
                for mentioned in data["mentions"]:
                    user = guild.members.get(int(mentioned["id"]))  # a webhook that is answered is no member
                    if user is not None:
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
            "type": interaction.kind,
            "token": interaction.token,
            "version": 1,
            "data": data,
            "channel_id": str(channel.id),
            "channel": channel.payload(),
            "locale": locale,
            "entitlements": [],
            "authorizing_integration_owners": {"0": str(guild.id) if guild else "0"},
            "attachment_size_limit": 10_485_760,
            "app_permissions": str(self.permissions_in(channel)),
            "context": 0 if guild else 1,
        }
        if interaction.source is not None:
            payload["message"] = interaction.source.payload()
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

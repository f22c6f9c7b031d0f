"""What exists on the loopback Discord: users, guilds, channels and messages, and how each looks as JSON."""

import itertools
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Payload = dict[str, Any]

TEXT, DM, PUBLIC_THREAD, PRIVATE_THREAD, FORUM = 0, 1, 11, 12, 15
THREADS = (PUBLIC_THREAD, PRIVATE_THREAD)
DEFAULT, REPLY, SLASH_RESPONSE = 0, 19, 20
SUPPRESS_EMBEDS, EPHEMERAL, LOADING = 1 << 2, 1 << 6, 1 << 7
PERMISSIONS = {
    "ADMINISTRATOR": 1 << 3,
    "VIEW_CHANNEL": 1 << 10,
    "SEND_MESSAGES": 1 << 11,
    "MANAGE_MESSAGES": 1 << 13,
    "EMBED_LINKS": 1 << 14,
    "ATTACH_FILES": 1 << 15,
    "READ_MESSAGE_HISTORY": 1 << 16,
    "USE_APPLICATION_COMMANDS": 1 << 31,
    "MANAGE_THREADS": 1 << 34,
    "CREATE_PUBLIC_THREADS": 1 << 35,
    "SEND_MESSAGES_IN_THREADS": 1 << 38,
}
EVERYBODY_MAY = sum(bit for name, bit in PERMISSIONS.items() if name not in ("ADMINISTRATOR", "MANAGE_MESSAGES"))
DISCORD_EPOCH_MS = 1_420_070_400_000


def snowflakes() -> Iterator[int]:
    """Ids as Discord makes them: milliseconds since 2015, then a counter; always growing."""
    for count in itertools.count():
        yield (int(time.time() * 1000) - DISCORD_EPOCH_MS << 22) + count


def stamp(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


@dataclass(eq=False)
class User:
    id: int
    name: str
    bot: bool = False
    accepts_dm: bool = True

    def payload(self) -> Payload:
        return {
            "id": str(self.id),
            "username": self.name if self.bot else re.sub(r"\W", "", self.name).lower() or "user",
            "global_name": None if self.bot else self.name,
            "discriminator": "0",
            "avatar": None,
            "bot": self.bot,
        }


@dataclass(eq=False)
class Role:
    id: int
    name: str
    permissions: int = 0
    bot_id: int | None = None

    def payload(self) -> Payload:
        data: Payload = {
            "id": str(self.id),
            "name": self.name,
            "permissions": str(self.permissions),
            "position": 0 if self.name == "@everyone" else 1,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "color": 0,
            "hoist": False,
            "managed": self.bot_id is not None,
            "mentionable": True,
            "flags": 0,
        }
        if self.bot_id is not None:
            data["tags"] = {"bot_id": str(self.bot_id)}
        return data


@dataclass(eq=False)
class Guild:
    id: int
    name: str
    owner_id: int
    roles: list[Role] = field(default_factory=list)
    member_roles: dict[int, list[int]] = field(default_factory=dict)
    """User id → ids of the roles this member has; who is not in it is no member."""
    members: dict[int, User] = field(default_factory=dict)

    def member_payload(self, user: User, *, with_user: bool = True) -> Payload:
        data: Payload = {
            "roles": [str(role) for role in self.member_roles[user.id]],
            "nick": None,
            "avatar": None,
            "joined_at": "2026-01-01T00:00:00+00:00",
            "deaf": False,
            "mute": False,
            "flags": 0,
        }
        if with_user:
            data["user"] = user.payload()
        return data

    def permissions_of(self, user_id: int) -> int:
        if user_id == self.owner_id:
            return EVERYBODY_MAY | PERMISSIONS["ADMINISTRATOR"]
        roles = self.member_roles.get(user_id, [])
        granted = EVERYBODY_MAY
        for role in self.roles:
            if role.id in roles:
                granted |= role.permissions
        return granted

    def payload(self, *, with_lists: bool = True) -> Payload:
        data: Payload = {
            "id": str(self.id),
            "name": self.name,
            "owner_id": str(self.owner_id),
            "icon": None,
            "features": [],
            "emojis": [],
            "stickers": [],
            "roles": [role.payload() for role in self.roles],
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "mfa_level": 0,
            "nsfw_level": 0,
            "premium_tier": 0,
            "preferred_locale": "en-US",
            "system_channel_id": None,
            "system_channel_flags": 0,
            "afk_channel_id": None,
            "afk_timeout": 300,
        }
        if with_lists:
            data |= {"member_count": len(self.members), "unavailable": False, "large": False}
            data |= {"voice_states": [], "presences": [], "stage_instances": [], "guild_scheduled_events": []}
        return data


@dataclass(eq=False, repr=False)
class Channel:
    """A channel, thread, forum or direct conversation. `denied` are permissions that the bot lacks here."""

    id: int
    kind: int
    name: str = ""
    guild: Guild | None = None
    parent_id: int | None = None
    owner_id: int | None = None
    recipient: User | None = None
    archived: bool = False
    locked: bool = False
    denied: set[str] = field(default_factory=set)
    messages: list["Message"] = field(default_factory=list)
    nonces: dict[str, tuple[float, "Message"]] = field(default_factory=dict)
    """Nonce → when it was used, and for which message."""
    last_thread_id: int | None = None
    """The newest post of a forum."""
    typing: int = 0
    """How often the bot showed that it is writing."""

    def __repr__(self) -> str:
        return f"<Channel {self.id} {self.name!r}>"

    def payload(self) -> Payload:
        # The newest message that there ever was, also when it was deleted; of a forum the newest post.
        last = self.messages[-1].id if self.messages else self.last_thread_id
        last_id = None if last is None else str(last)
        data: Payload = {"id": str(self.id), "type": self.kind, "last_message_id": last_id, "flags": 0}
        if self.kind == DM:
            return data | {"recipients": [self.recipient.payload()] if self.recipient else []}
        assert self.guild is not None
        data |= {"name": self.name, "guild_id": str(self.guild.id), "parent_id": None, "rate_limit_per_user": 0}
        if self.kind in THREADS:
            return data | self._thread_payload()
        denied = sum(PERMISSIONS[name] for name in self.denied)
        overwrite = {"id": str(self.guild.id), "type": 0, "allow": "0", "deny": str(denied)}
        data |= {"position": 0, "nsfw": False, "topic": None, "permission_overwrites": [overwrite] if denied else []}
        if self.kind == FORUM:
            data |= {"available_tags": [], "default_reaction_emoji": None, "default_sort_order": None}
            data |= {"default_forum_layout": 0, "template": ""}
        return data

    def _thread_payload(self) -> Payload:
        return {
            "parent_id": str(self.parent_id),
            "owner_id": str(self.owner_id),
            "message_count": len(self.messages),
            "member_count": 1,
            "total_message_sent": len(self.messages),
            "applied_tags": [],
            "thread_metadata": {
                "archived": self.archived,
                "locked": self.locked,
                "auto_archive_duration": 1440,
                "archive_timestamp": "2026-01-01T00:00:00+00:00",
                "create_timestamp": "2026-01-01T00:00:00+00:00",
            },
        }


@dataclass(eq=False, repr=False)
class Message:
    """One message and all that it ever showed: `history` has every content with its monotonic time."""

    id: int
    channel: Channel
    author: User
    content: str
    created: datetime
    kind: int = DEFAULT
    edited: datetime | None = None
    flags: int = 0
    nonce: str | None = None
    allowed_mentions: Mapping[str, Any] | None = None
    replied_to: "Message | None" = None
    reference: Payload | None = None
    attachments: list[Payload] = field(default_factory=list)
    snapshots: list[Payload] = field(default_factory=list)
    deleted: bool = False
    history: list[tuple[float, str]] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Message {self.id} by {self.author.name!r}: {self.content!r}>"

    @property
    def thinking(self) -> bool:
        return bool(self.flags & LOADING)

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    def mentioned_users(self) -> list[User]:
        guild = self.channel.guild
        if guild is None:
            return []
        ids = {int(found) for found in re.findall(r"<@!?(\d+)>", self.content)}
        users = [user for user in guild.members.values() if user.id in ids]
        if self.replied_to is not None and self._pings_replied() and self.replied_to.author not in users:
            users.append(self.replied_to.author)
        return users

    def mentioned_roles(self) -> list[int]:
        guild = self.channel.guild
        ids = {int(found) for found in re.findall(r"<@&(\d+)>", self.content)}
        return [role.id for role in guild.roles if role.id in ids] if guild else []

    def pinged(self) -> set[str]:
        """Whom this message notifies: `everyone`, and the ids of users and roles."""
        allowed = self.allowed_mentions
        parse = {"users", "roles", "everyone"} if allowed is None else set(allowed.get("parse", ()))
        found: set[str] = set()
        if "everyone" in parse and re.search(r"@(everyone|here)\b", self.content):
            found.add("everyone")
        for kind, pattern in (("users", r"<@!?(\d+)>"), ("roles", r"<@&(\d+)>")):
            named = set(re.findall(pattern, self.content))
            explicit = {str(one) for one in (allowed or {}).get(kind, ())}
            found |= named if kind in parse else named & explicit
        if self.replied_to is not None and self._pings_replied():
            found.add(str(self.replied_to.author.id))
        return found

    def _pings_replied(self) -> bool:
        return self.allowed_mentions is None or bool(self.allowed_mentions.get("replied_user", False))

    def payload(self, *, with_reply: bool = True) -> Payload:
        data: Payload = {
            "id": str(self.id),
            "channel_id": str(self.channel.id),
            "author": self.author.payload(),
            "content": self.content,
            "timestamp": stamp(self.created),
            "edited_timestamp": stamp(self.edited),
            "tts": False,
            "mention_everyone": "everyone" in self.pinged(),
            "mentions": [user.payload() for user in self.mentioned_users()],
            "mention_roles": [str(role) for role in self.mentioned_roles()],
            "attachments": self.attachments,
            "embeds": [],
            "components": [],
            "pinned": False,
            "type": self.kind,
            "flags": self.flags,
        }
        if self.nonce is not None:
            data["nonce"] = self.nonce
        if self.reference is not None:
            data["message_reference"] = self.reference
        if self.snapshots:
            data["message_snapshots"] = self.snapshots
        if with_reply and self.kind == REPLY:
            original = self.replied_to
            gone = original is None or original.deleted
            data["referenced_message"] = None if gone or original is None else original.payload(with_reply=False)
        return data


def now() -> datetime:
    return datetime.now(UTC)

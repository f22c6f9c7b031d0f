"""What exists on the loopback Discord: users, guilds and channels, and how each looks as JSON."""

import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.servers.discord.messages import Message

Payload = dict[str, Any]

TEXT, DM, PUBLIC_THREAD, PRIVATE_THREAD, FORUM = 0, 1, 11, 12, 15
THREADS = (PUBLIC_THREAD, PRIVATE_THREAD)
DEFAULT, RENAMED, PINNED, REPLY, SLASH_RESPONSE = 0, 4, 6, 19, 20
SUPPRESS_EMBEDS, EPHEMERAL, LOADING, SILENT, COMPONENTS_V2 = 1 << 2, 1 << 6, 1 << 7, 1 << 12, 1 << 15
PERMISSIONS = {
    "ADMINISTRATOR": 1 << 3,
    "MANAGE_CHANNELS": 1 << 4,
    "ADD_REACTIONS": 1 << 6,
    "VIEW_CHANNEL": 1 << 10,
    "SEND_MESSAGES": 1 << 11,
    "MANAGE_MESSAGES": 1 << 13,
    "EMBED_LINKS": 1 << 14,
    "ATTACH_FILES": 1 << 15,
    "READ_MESSAGE_HISTORY": 1 << 16,
    "MANAGE_WEBHOOKS": 1 << 29,
    "USE_APPLICATION_COMMANDS": 1 << 31,
    "MANAGE_THREADS": 1 << 34,
    "CREATE_PUBLIC_THREADS": 1 << 35,
    "SEND_MESSAGES_IN_THREADS": 1 << 38,
}
NOT_FOR_ALL = ("ADMINISTRATOR", "MANAGE_CHANNELS", "MANAGE_MESSAGES", "MANAGE_WEBHOOKS", "MANAGE_THREADS")
EVERYBODY_MAY = sum(bit for name, bit in PERMISSIONS.items() if name not in NOT_FOR_ALL)
INVITED_WITH = sum(PERMISSIONS[name] for name in ("MANAGE_CHANNELS", "MANAGE_WEBHOOKS", "MANAGE_THREADS"))
"""What the bot's own role has beyond what everybody may."""
ARCHIVE_AFTER = (60, 1440, 4320, 10080)
"""The minutes after which a thread may be put away."""
DISCORD_EPOCH_MS = 1_420_070_400_000


def snowflakes() -> Iterator[int]:
    """Ids as Discord makes them: milliseconds since 2015, then a counter; always growing."""
    for count in itertools.count():
        yield (int(time.time() * 1000) - DISCORD_EPOCH_MS << 22) + count


def now() -> datetime:
    return datetime.now(UTC)


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
    emojis: dict[int, str] = field(default_factory=dict)
    """Its own ones: id → name."""

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
        granted = 0
        for role in self.roles:
            if role.id in roles or role.id == self.id:
                granted |= role.permissions
        return granted

    def payload(self, *, with_lists: bool = True) -> Payload:
        data: Payload = {
            "id": str(self.id),
            "name": self.name,
            "owner_id": str(self.owner_id),
            "icon": None,
            "features": [],
            "emojis": [{"id": str(one), "name": name, "available": True} for one, name in self.emojis.items()],
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
    topic: str | None = None
    flags: int = 0
    slowmode: int = 0
    auto_archive: int = 1440
    archived_at: datetime = field(default_factory=now)
    """When a thread was last put away or brought back."""
    created: datetime = field(default_factory=now)
    available_tags: list[Payload] = field(default_factory=list)
    """The tags that posts of a forum can have."""
    applied_tags: list[str] = field(default_factory=list)

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
        data |= {"name": self.name, "guild_id": str(self.guild.id), "parent_id": None, "flags": self.flags}
        data["rate_limit_per_user"] = self.slowmode
        if self.kind in THREADS:
            return data | self._thread_payload()
        denied = sum(PERMISSIONS[name] for name in self.denied)
        overwrite = {"id": str(self.guild.id), "type": 0, "allow": "0", "deny": str(denied)}
        data |= {"position": 0, "nsfw": False, "permission_overwrites": [overwrite] if denied else []}
        data["topic"] = self.topic
        if self.kind == FORUM:
            data |= {"available_tags": self.available_tags, "default_reaction_emoji": None, "default_sort_order": None}
            data |= {"default_forum_layout": 0, "template": ""}
        return data

    def _thread_payload(self) -> Payload:
        return {
            "parent_id": str(self.parent_id),
            "owner_id": str(self.owner_id),
            "message_count": sum(not one.deleted for one in self.messages),
            "member_count": 1,
            "total_message_sent": len(self.messages),
            "applied_tags": self.applied_tags,
            "thread_metadata": {
                "archived": self.archived,
                "locked": self.locked,
                "auto_archive_duration": self.auto_archive,
                "archive_timestamp": stamp(self.archived_at),
                "create_timestamp": stamp(self.created),
            },
        }

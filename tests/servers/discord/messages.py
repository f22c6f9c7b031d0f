"""The messages on the loopback Discord: what they show, whom they notify, and how they look as JSON."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.servers.discord.world import DEFAULT, EPHEMERAL, LOADING, REPLY, Channel, Payload, User, stamp


@dataclass(eq=False)
class Reaction:
    """One emoji under a message and who put it there; `id` is set for one of the server's own."""

    name: str
    id: int | None = None
    users: list[User] = field(default_factory=list)

    @property
    def emoji(self) -> Payload:
        return {"id": None if self.id is None else str(self.id), "name": self.name}

    def payload(self) -> Payload:
        count = len(self.users)
        return {
            "emoji": self.emoji,
            "count": count,
            "count_details": {"burst": 0, "normal": count},
            "me": any(user.bot for user in self.users),
            "me_burst": False,
            "burst_colors": [],
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
    embeds: list[Payload] = field(default_factory=list)
    components: list[Payload] = field(default_factory=list)
    reactions: dict[str, "Reaction"] = field(default_factory=dict)
    webhook_id: int | None = None
    application_id: int | None = None
    avatar_url: str | None = None
    """The picture that a webhook showed with it."""
    snapshots: list[Payload] = field(default_factory=list)
    deleted: bool = False
    history: list[tuple[float, str]] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Message {self.id} by {self.author.name!r}: {self.content!r}>"

    @property
    def age_from(self) -> float:
        """When it was written, by the clock of the server."""
        return self.history[0][0]

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
            "embeds": self.embeds,
            "components": self.components,
            "pinned": False,
            "type": self.kind,
            "flags": self.flags,
        }
        if self.reactions:
            data["reactions"] = [reaction.payload() for reaction in self.reactions.values()]
        if self.webhook_id is not None:
            data["webhook_id"] = str(self.webhook_id)
            data["author"] |= {"discriminator": "0000", "global_name": None}
        if self.application_id is not None:
            data["application_id"] = str(self.application_id)
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

"""What the server remembers: accounts, chats, messages, updates that wait."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.servers.telegram.texts import Refused, bad

BY_DEFAULT_LEFT_OUT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
Entities = tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class Shown:
    """One message as a user sees it now; `history` holds what it showed before, oldest first."""

    chat_id: int
    message_id: int
    text: str
    entities: Entities = ()
    by_bot: bool = False
    thread_id: int | None = None
    reply_to: int | None = None
    link_preview: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    history: list[tuple[float, str]] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    sent_at: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Draft:
    """A text that grows before the customer's eyes and is no message; it vanishes `until` then."""

    draft_id: int
    text: str
    entities: Entities
    until: float
    can_stop: bool = False
    thread_id: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Chat:
    """A private chat or a group."""

    id: int
    type: str
    title: str = ""
    messages: dict[int, Shown] = field(default_factory=dict)
    last_id: int = 0
    refused: Refused | None = None
    """Every call to this chat is answered with this: blocked, kicked, migrated."""
    topics: set[int] = field(default_factory=set)
    typing: list[float] = field(default_factory=list)
    drafts: dict[int, Draft] = field(default_factory=dict)

    def visible_drafts(self) -> list[Draft]:
        """The drafts that have not vanished, oldest first."""
        now = time.monotonic()
        return [draft for draft in self.drafts.values() if draft.until > now]

    def as_dict(self) -> dict[str, Any]:
        named = {"title": self.title} if self.title else {}
        return {"id": self.id, "type": self.type, **named, **({"is_forum": True} if self.topics else {})}

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id


@dataclass(frozen=True, slots=True)
class Hook:
    url: str
    secret: str | None = None


@dataclass(slots=True)
class Account:
    """One bot: its token, its chats, and the updates that it has not confirmed."""

    token: str
    username: str
    changed: Callable[[], None]
    confirmed: Callable[[], None] = lambda: None
    """Called when the bot has said that it has taken updates."""
    reads_all_group_messages: bool = True
    knows_drafts: bool = True
    knows_can_stop: bool = True
    draft_seconds: float = 30.0
    chats: dict[int, Chat] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    last_update_id: int = 1000
    poller: object | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    allowed: frozenset[str] | None = None
    hook: Hook | None = None
    presses: set[str] = field(default_factory=set)
    """The presses of buttons that the bot has not answered."""
    commands: dict[tuple[str, str], list[dict[str, str]]] = field(default_factory=dict)

    @property
    def id(self) -> int:
        return int(self.token.split(":")[0])

    def me(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": True, "first_name": "Shop", "username": self.username}

    def push(self, update: Mapping[str, Any]) -> int:
        """Queue an update as Telegram would, unless the bot has said that it does not want its kind."""
        self.last_update_id += 1
        kinds = set(update) - {"update_id"}
        unwanted = kinds <= BY_DEFAULT_LEFT_OUT if self.allowed is None else not kinds & self.allowed
        if not kinds or not unwanted:
            self.waiting.append({"update_id": self.last_update_id, **update})
            self.ring()
        return self.last_update_id

    def ring(self) -> None:
        """Wake whoever waits for updates, and whoever waits for a change."""
        bell, self.wake = self.wake, asyncio.Event()
        bell.set()
        self.changed()

    def confirm(self, offset: int) -> None:
        """Forget the updates below `offset`; a negative one keeps only that many from the end."""
        before = len(self.waiting)
        if offset < 0:
            self.waiting = self.waiting[offset:]
        elif offset > 0:
            self.waiting = [update for update in self.waiting if update["update_id"] >= offset]
        if len(self.waiting) < before:
            self.confirmed()

    def chat(self, chat_id: int) -> Chat:
        """The chat to write to. Raises `Refused` when there is none, or when the bot may not."""
        chat = self.chats.get(chat_id)
        if chat is None:
            raise bad("chat not found")
        if chat.refused is not None:
            raise chat.refused
        return chat

    def shown(self, chat_id: int, *, everybody: bool) -> Sequence[Shown]:
        chat = self.chats.get(chat_id)
        if chat is None:
            return ()
        return [message for message in chat.messages.values() if everybody or message.by_bot]

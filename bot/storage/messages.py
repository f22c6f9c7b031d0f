"""What came in: conversations, the inbox and what hung on its messages."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from bot.chat import Address, Attachment, InboundMessage, MessageRef, UnreadableUpdate
from bot.storage.database import Database, iso
from bot.storage.outbox import forget, messages_of, reply_key

Mode = Literal["bot", "waiting", "human"]

_EDITED = "@"
"""Between the id of a message and the moment of its edit."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """All turns at one address. `fresh_after` is the inbox id of the last start afresh."""

    id: int
    address: Address
    mode: Mode
    language: str | None
    started_with: str | None
    fresh_after: int
    apologised_at: datetime | None = None
    """When the customer was last asked to excuse a long wait."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message in the inbox. `is_correction`: the newest text of a message that was answered before."""

    id: int
    message: InboundMessage
    received_at: datetime
    is_correction: bool = False
    waited: float | None = None
    """Seconds since then, by a clock that does not jump; None when another process received it."""
    sent: Mapping[str, MessageRef] = field(default_factory=dict)
    """What was sent already of a reply that begins with this message, by the keys it was sent with."""


@dataclass(frozen=True, slots=True)
class Received:
    """Where a message was stored. `is_new` is False for one that had been delivered before."""

    conversation_id: int
    inbox_id: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation in which something waits. `tries` is how often a start of the program has taken its next turn
    up in vain; `is_begun`: something of the answer to it was sent."""

    conversation_id: int
    platform: str
    tries: int
    is_begun: bool


class Messages:
    """The inbox. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def receive(self, message: InboundMessage, *, at: datetime) -> Received:
        """Store a message for good; one that was stored before is found again, not doubled.

        An edited message takes the place of the text that is still waiting; when that was answered, it is
        stored as a correction behind it, unless it says what was said before.
        """
        return await self._database.write(lambda db: _receive(db, message, at))

    async def park(self, update: UnreadableUpdate, *, at: datetime) -> None:
        """Keep an update that could not be read, for the operator."""
        await self._database.write(
            lambda db: db.execute(
                "INSERT OR IGNORE INTO parked_updates (platform, update_id, raw, reason, received_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (update.platform, update.update_id, update.raw, update.reason, iso(at)),
            )
        )

    async def conversations_waiting(self, platforms: Collection[str]) -> tuple[Waiting, ...]:
        """The conversations on these platforms in which something waits: those whose answer is begun first, of
        both the longest waiting first."""
        rows = await self._database.read(lambda db: db.execute(_CONVERSATIONS_WAITING).fetchall())
        return tuple(Waiting(row[0], row[1], row[2], bool(row[3])) for row in rows if row[1] in platforms)

    async def take_up(self, conversation_ids: Collection[int]) -> None:
        """Their next turns are about to be tried again; if the program is killed meanwhile, that counts."""
        await self._database.write(lambda db: _count_tries(db, conversation_ids, 1))

    async def give_back(self, conversation_ids: Collection[int]) -> None:
        """What was taken up is left for the next start in good order: that does not count."""
        await self._database.write(lambda db: _count_tries(db, conversation_ids, -1))

    async def waiting(self, conversation_id: int) -> tuple[Conversation, tuple[StoredMessage, ...]]:
        """A conversation and its messages that wait for an answer, oldest first."""
        return await self._database.read(lambda db: _waiting(db, conversation_id))

    async def close(self, messages: Sequence[StoredMessage], *, at: datetime) -> None:
        """Mark messages as done that no turn answers."""
        await self._database.write(lambda db: _close(db, messages, at))

    async def start_afresh(self, conversation_id: int, *, after: StoredMessage) -> None:
        """Forget the history: from now on it begins behind this message."""
        await self._database.write(
            lambda db: db.execute("UPDATE conversations SET fresh_after = ? WHERE id = ?", (after.id, conversation_id))
        )

    async def keep_start(self, conversation_id: int, payload: str) -> None:
        """Keep the deep-link payload that a conversation was started with."""
        await self._database.write(
            lambda db: db.execute("UPDATE conversations SET started_with = ? WHERE id = ?", (payload, conversation_id))
        )

    async def attachment(self, inbox_id: int, position: int) -> bytes | None:
        """The bytes of an attachment, when they were fetched before."""
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT data FROM attachments WHERE inbox_id = ? AND position = ?", (inbox_id, position)
            ).fetchone()
        )
        return row[0] if row else None

    async def keep_attachment(self, inbox_id: int, position: int, data: bytes) -> None:
        """Keep the bytes of an attachment."""
        await self._database.write(
            lambda db: db.execute(
                "UPDATE attachments SET data = ? WHERE inbox_id = ? AND position = ?", (data, inbox_id, position)
            )
        )


# With min() SQLite takes the other columns from the row that has the minimum: the first of the next turn.
_CONVERSATIONS_WAITING = """
    SELECT conversation_id, platform, tries, EXISTS (SELECT 1 FROM outbox WHERE reply_key = 'reply-' || first), first
    FROM (
        SELECT conversation_id, platform, tries, min(id) AS first FROM inbox WHERE answered_at IS NULL
        GROUP BY conversation_id
    )
    ORDER BY 4 DESC, 5"""


def _count_tries(db: sqlite3.Connection, conversation_ids: Collection[int], more: int) -> None:
    db.executemany(
        "UPDATE inbox SET tries = max(0, tries + ?) WHERE id ="
        " (SELECT min(id) FROM inbox WHERE conversation_id = ? AND answered_at IS NULL)",
        [(more, conversation_id) for conversation_id in conversation_ids],
    )


def _close(db: sqlite3.Connection, messages: Sequence[StoredMessage], at: datetime) -> None:
    ids = [(iso(at), stored.id) for stored in messages]
    db.executemany("UPDATE inbox SET answered_at = ? WHERE id = ? AND answered_at IS NULL", ids)
    forget(db, *(reply_key(stored.id) for stored in messages))


def _receive(db: sqlite3.Connection, message: InboundMessage, at: datetime) -> Received:
    conversation_id = _conversation_of(db, message, at)
    known = db.execute(
        "SELECT id, answered_at FROM inbox WHERE platform = ? AND message_id = ?",
        (message.address.platform, message.message_id),
    ).fetchone()
    if known is None:
        # An edit of a message from before our time is as good as new.
        return Received(conversation_id, _insert(db, conversation_id, message, at, is_correction=False), True)
    if not message.edited:
        return Received(conversation_id, known["id"], False)
    if known["answered_at"] is None:
        changed = db.execute(
            "UPDATE inbox SET text = ?, quoted = ?, sent_at = ? WHERE id = ? AND text <> ?",
            (message.text, message.quoted, iso(message.sent_at), known["id"], message.text),
        )
        return Received(conversation_id, known["id"], changed.rowcount > 0)
    correction = replace(message, message_id=_correction_id(message.message_id, message.sent_at))
    versions = _versions_of(db, message)
    again = next((row["id"] for row in versions if row["message_id"] == correction.message_id), None)
    if again is None and _says_nothing_new(db, versions[-1], message):
        again = versions[-1]["id"]
    if again is not None:
        return Received(conversation_id, again, False)
    return Received(conversation_id, _insert(db, conversation_id, correction, at, is_correction=True), True)


def _versions_of(db: sqlite3.Connection, message: InboundMessage) -> list[sqlite3.Row]:
    """A message and its corrections, the newest last."""
    first = message.message_id
    return db.execute(
        "SELECT id, message_id, text FROM inbox"
        " WHERE platform = ? AND (message_id = ? OR message_id BETWEEN ? AND ?) ORDER BY id",
        (message.address.platform, first, f"{first}{_EDITED}", f"{first}{_EDITED}:"),  # digits stand before a colon
    ).fetchall()


def _says_nothing_new(db: sqlite3.Connection, known: sqlite3.Row, message: InboundMessage) -> bool:
    """Telegram's updates of edited messages "may at times be triggered by changes to message fields that are either
    unavailable or not actively used by your bot": https://core.telegram.org/bots/api#update"""
    files = db.execute("SELECT source_id FROM attachments WHERE inbox_id = ? ORDER BY position", (known["id"],))
    return known["text"] == message.text and [row[0] for row in files] == [one.source_id for one in message.attachments]


def keep_edit(db: sqlite3.Connection, answered: StoredMessage, at: datetime) -> None:
    """A message that was edited while it was being answered: its newest text waits behind it as a correction."""
    row = db.execute("SELECT message_id, text, quoted, sent_at FROM inbox WHERE id = ?", (answered.id,)).fetchone()
    old = answered.message
    if row is None or row["text"] == old.text:
        return
    edited_at = datetime.fromisoformat(row["sent_at"])
    correction = replace(
        old,
        message_id=_correction_id(row["message_id"], edited_at),
        text=row["text"],
        quoted=row["quoted"],
        sent_at=edited_at,
    )
    conversation_id = _conversation_of(db, correction, at)
    _insert(db, conversation_id, correction, at, is_correction=True)
    db.execute("UPDATE inbox SET text = ?, quoted = ? WHERE id = ?", (old.text, old.quoted, answered.id))


def _correction_id(message_id: str, edited_at: datetime) -> str:
    """An edit that is delivered twice gets the same id twice."""
    return f"{message_id}{_EDITED}{edited_at.timestamp():.0f}"


def _conversation_of(db: sqlite3.Connection, message: InboundMessage, at: datetime) -> int:
    address = message.address
    where = (address.platform, address.chat_id, address.thread_id or "")
    row = db.execute(
        "INSERT INTO conversations (platform, chat_id, thread_id, sender_id, sender_name, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (platform, chat_id, thread_id) DO UPDATE SET sender_name = excluded.sender_name"
        " RETURNING id",
        (*where, message.sender_id, message.sender_name, iso(at)),
    ).fetchone()
    return int(row["id"])


def _insert(
    db: sqlite3.Connection, conversation_id: int, message: InboundMessage, at: datetime, *, is_correction: bool
) -> int:
    row = db.execute(
        "INSERT INTO inbox (platform, message_id, conversation_id, sender_id, sender_name, role, text, command,"
        " quoted, album_id, reply_to, language, is_correction, sent_at, received_at, answered_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            message.address.platform,
            message.message_id,
            conversation_id,
            message.sender_id,
            message.sender_name,
            message.role,
            message.text,
            message.command,
            message.quoted,
            message.album_id,
            message.reply_to,
            message.language,
            is_correction,
            iso(message.sent_at),
            iso(at),
            iso(at) if message.command == "stop" else None,  # it is carried out at once, and never queued
        ),
    ).fetchone()
    db.executemany(
        "INSERT INTO attachments (inbox_id, position, kind, source_id, media_type, name, size)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (row["id"], position, item.kind, item.source_id, item.media_type, item.name, item.size)
            for position, item in enumerate(message.attachments)
        ],
    )
    return int(row["id"])


def _waiting(db: sqlite3.Connection, conversation_id: int) -> tuple[Conversation, tuple[StoredMessage, ...]]:
    row = db.execute("SELECT * FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    conversation = Conversation(
        id=row["id"],
        address=Address(row["platform"], row["chat_id"], row["thread_id"] or None),
        mode=row["mode"],
        language=row["language"],
        started_with=row["started_with"],
        fresh_after=row["fresh_after"],
        apologised_at=datetime.fromisoformat(row["apologised_at"]) if row["apologised_at"] else None,
    )
    rows = db.execute(
        "SELECT * FROM inbox WHERE conversation_id = ? AND answered_at IS NULL ORDER BY id", (conversation_id,)
    ).fetchall()
    return conversation, tuple(_stored(db, conversation.address, row) for row in rows)


def _stored(db: sqlite3.Connection, address: Address, row: sqlite3.Row) -> StoredMessage:
    attachments = db.execute(
        "SELECT kind, source_id, media_type, name, size FROM attachments WHERE inbox_id = ? ORDER BY position",
        (row["id"],),
    ).fetchall()
    message = InboundMessage(
        message_id=row["message_id"],
        address=address,
        sender_id=row["sender_id"],
        sender_name=row["sender_name"],
        text=row["text"],
        sent_at=datetime.fromisoformat(row["sent_at"]),
        attachments=tuple(Attachment(*attachment) for attachment in attachments),
        role=row["role"],
        command=row["command"],
        quoted=row["quoted"],
        album_id=row["album_id"],
        reply_to=row["reply_to"],
        language=row["language"],
    )
    received_at = datetime.fromisoformat(row["received_at"])
    sent = messages_of(db, reply_key(row["id"]))
    return StoredMessage(row["id"], message, received_at, bool(row["is_correction"]), sent=sent)

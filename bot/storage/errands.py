"""What is still to be shown at the desk, or told to a customer: each is on record before it is begun, and until it
is done."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.chat import Address, MessageRef
from bot.storage.database import Database, iso
from bot.storage.messages import StoredMessage, stored_message
from bot.storage.outbox import forget, messages_of

ErrandKind = Literal["message", "edit", "deletion", "words", "mark", "tell"]
"""A message of the customer's is shown at the desk; its newest text; that it was deleted. The desk itself says
something there; a message of staff's is marked. The customer is told something."""

FILES = 1000
"""The parts of a relayed message from this one on are its files."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One of them. `about`: the inbox id that it is about; `inbox_ids`: the messages that are shown as one; `author`:
    who says it, for a mark the mark."""

    kind: ErrandKind
    about: int | None = None
    inbox_ids: tuple[int, ...] = ()
    author: str = ""
    text: str = ""
    id: int = 0
    conversation_id: int = 0
    case_id: int | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """Where a customer reads, and in which language, if that is known."""

    address: Address
    language: str | None
    is_blocked: bool


class Errands:
    """Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def to_show(self) -> tuple[int, ...]:
        """The conversations of which the desk does not show everything, the longest waiting first."""
        rows = await self._database.read(lambda db: db.execute(_TO_SHOW).fetchall())
        return tuple(row[0] for row in rows)

    async def to_tell(self) -> tuple[int, ...]:
        """The conversations whose customers are to be told something."""
        rows = await self._database.read(lambda db: db.execute(_TO_TELL).fetchall())
        return tuple(row[0] for row in rows)

    async def at_desk(self, conversation_id: int) -> tuple[Errand, ...]:
        """What is to be shown of a conversation, in this order."""
        return await self._database.read(lambda db: _read(db, conversation_id, "kind <> 'tell'"))

    async def for_customer(self, conversation_id: int) -> tuple[Errand, ...]:
        """What the customer is to be told, in this order."""
        return await self._database.read(lambda db: _read(db, conversation_id, "kind = 'tell'"))

    async def messages(self, inbox_ids: Sequence[int]) -> tuple[StoredMessage, ...]:
        """These messages of the inbox, in the order of their ids."""
        return await self._database.read(lambda db: _messages(db, inbox_ids))

    async def shown_with(self, inbox_id: int) -> tuple[StoredMessage, ...]:
        """The messages that are shown as one with this one, each with its newest text."""
        return await self._database.read(lambda db: _shown_with(db, inbox_id))

    async def places(self, inbox_id: int) -> dict[int, MessageRef]:
        """Part → the message on the other side that shows it."""
        return await self._database.read(lambda db: places_of(db, inbox_id))

    async def sent(self, key: str) -> dict[str, MessageRef]:
        """What was sent already of a reply, by the keys it was sent with."""
        return await self._database.read(lambda db: messages_of(db, key))

    async def customer(self, conversation_id: int) -> Customer:
        """Where he reads, and how he is to be spoken to."""
        row = await self._database.read(
            lambda db: db.execute("SELECT * FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
        )
        at = Address(row["platform"], row["chat_id"], row["thread_id"] or None)
        return Customer(at, row["language"], row["blocked_at"] is not None)

    async def done(
        self,
        errand: Errand,
        *,
        at: datetime,
        places: dict[int, MessageRef] | None = None,
        then: Sequence[Errand] = (),
    ) -> None:
        """It is done; the messages that it is about are shown in these places now. What is to be done `then`."""
        await self._database.write(lambda db: _done(db, errand, at, places, then))

    async def told(self, errand: Errand, *, key: str, at: datetime, is_seen: bool = True) -> None:
        """The customer was told, under this key; what he has seen is remembered. Else nobody reads there any more."""
        await self._database.write(lambda db: _told(db, errand, key, at, is_seen))


def queue(db: sqlite3.Connection, conversation_id: int, case_id: int | None, errands: Iterable[Errand]) -> None:
    """Put errands on record inside of another transaction. What the customer wrote is shown once."""
    for one in errands:
        if one.kind in ("message", "edit", "deletion") and _is_queued(db, one):
            continue
        db.execute(
            "INSERT INTO errands (conversation_id, case_id, kind, about, inbox_ids, author, text)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (conversation_id, case_id, one.kind, one.about, json.dumps(one.inbox_ids), one.author, one.text),
        )


def places_of(db: sqlite3.Connection, inbox_id: int) -> dict[int, MessageRef]:
    """`Errands.places` inside of another transaction."""
    rows = db.execute("SELECT * FROM relayed WHERE inbox_id = ? ORDER BY part", (inbox_id,)).fetchall()
    return {
        row["part"]: MessageRef(Address(row["platform"], row["chat_id"], row["thread_id"] or None), row["message_id"])
        for row in rows
    }


def keep_places(db: sqlite3.Connection, inbox_id: int, places: dict[int, MessageRef]) -> None:
    """These show the message now, and no others."""
    db.execute("DELETE FROM relayed WHERE inbox_id = ?", (inbox_id,))
    db.executemany(
        "INSERT INTO relayed (inbox_id, part, platform, chat_id, thread_id, message_id) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (inbox_id, part, ref.address.platform, ref.address.chat_id, ref.address.thread_id or "", ref.message_id)
            for part, ref in places.items()
        ],
    )


_TO_SHOW = """
    SELECT conversation_id FROM (
        SELECT conversation_id, id FROM errands WHERE done_at IS NULL AND kind <> 'tell'
        UNION ALL SELECT conversation_id, 0 FROM cases WHERE shown < changes
    )
    GROUP BY conversation_id ORDER BY min(id)"""
_TO_TELL = """
    SELECT conversation_id FROM errands WHERE done_at IS NULL AND kind = 'tell'
    GROUP BY conversation_id ORDER BY min(id)"""


def _is_queued(db: sqlite3.Connection, errand: Errand) -> bool:
    """Whether the same message, the same newest text or the same deletion is on record."""
    row = db.execute(
        "SELECT 1 FROM errands WHERE kind = ? AND about = ? AND inbox_ids = ?",
        (errand.kind, errand.about, json.dumps(errand.inbox_ids)),
    ).fetchone()
    return row is not None


def _read(db: sqlite3.Connection, conversation_id: int, which: str) -> tuple[Errand, ...]:
    rows = db.execute(
        f"SELECT * FROM errands WHERE conversation_id = ? AND done_at IS NULL AND {which} ORDER BY id",
        (conversation_id,),
    ).fetchall()
    return tuple(
        Errand(
            row["kind"],
            row["about"],
            tuple(json.loads(row["inbox_ids"])),
            row["author"],
            row["text"],
            row["id"],
            row["conversation_id"],
            row["case_id"],
        )
        for row in rows
    )


def _messages(db: sqlite3.Connection, inbox_ids: Sequence[int]) -> tuple[StoredMessage, ...]:
    rows = db.execute(
        "SELECT inbox.*, conversations.chat_id AS chat_id, conversations.thread_id AS thread_id FROM inbox"
        " JOIN conversations ON conversations.id = conversation_id"
        f" WHERE inbox.id IN ({', '.join('?' * len(inbox_ids))}) ORDER BY inbox.id",
        tuple(inbox_ids),
    ).fetchall()
    return tuple(
        stored_message(db, Address(row["platform"], row["chat_id"], row["thread_id"] or None), row) for row in rows
    )


def _shown_with(db: sqlite3.Connection, inbox_id: int) -> tuple[StoredMessage, ...]:
    row = db.execute(
        "SELECT inbox_ids FROM errands WHERE kind = 'message' AND conversation_id ="
        " (SELECT conversation_id FROM inbox WHERE id = ?)"
        " AND EXISTS (SELECT 1 FROM json_each(inbox_ids) WHERE value = ?) ORDER BY id DESC LIMIT 1",
        (inbox_id, inbox_id),
    ).fetchone()
    ids = json.loads(row[0]) if row else [inbox_id]
    newest = [
        db.execute(
            "SELECT max(id) FROM inbox WHERE id = ? OR (corrects = ? AND is_deleted = 0)", (one, one)
        ).fetchone()[0]
        for one in ids
    ]
    return _messages(db, newest)


def _done(
    db: sqlite3.Connection,
    errand: Errand,
    at: datetime,
    places: dict[int, MessageRef] | None,
    then: Sequence[Errand],
) -> None:
    if places is not None:
        for inbox_id in errand.inbox_ids if errand.kind == "message" else _ids_with(db, errand.about):
            keep_places(db, inbox_id, places)
    db.execute("UPDATE errands SET done_at = ? WHERE id = ?", (iso(at), errand.id))
    queue(db, errand.conversation_id, errand.case_id, then)


def _ids_with(db: sqlite3.Connection, inbox_id: int | None) -> Sequence[int]:
    return [] if inbox_id is None else [stored.root for stored in _shown_with(db, inbox_id)]


def _told(db: sqlite3.Connection, errand: Errand, key: str, at: datetime, is_seen: bool) -> None:
    if is_seen:
        db.execute(
            "INSERT INTO turns (conversation_id, inbox_id, role, text, outcome, reply_key, created_at) VALUES (?,"
            " (SELECT coalesce(max(id), 0) FROM inbox WHERE conversation_id = ?), 'assistant', ?, 'sentence', ?, ?)",
            (errand.conversation_id, errand.conversation_id, errand.text, key, iso(at)),
        )
    db.execute("UPDATE errands SET done_at = ? WHERE id = ?", (iso(at), errand.id))
    forget(db, key)

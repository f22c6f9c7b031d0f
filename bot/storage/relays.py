"""What crosses between a customer and the desk: one transaction for each step of a message's way."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.chat import Address, MessageRef
from bot.storage.cases import Case, Decide, change_case, open_case
from bot.storage.database import Database, iso
from bot.storage.errands import Errand, keep_places, places_of, queue
from bot.storage.messages import StoredMessage, keep_edit
from bot.storage.outbox import forget, reply_key


@dataclass(frozen=True, slots=True)
class Said:
    """What the customer sees of a message of staff's by now: `preface` stands above it."""

    text: str
    preface: str
    places: dict[int, MessageRef]


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom a post belongs: where he reads, in which language; `last_author`: whose words he read last, if they
    were those of one of the staff."""

    conversation_id: int
    address: Address
    language: str | None
    last_author: str | None
    is_blocked: bool


class Relays:
    """Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def show_staff(self, case: Case, messages: Sequence[StoredMessage], heard: Decide, *, at: datetime) -> Case:
        """What the customer wrote is to be shown at the desk; `heard` is what his words make of the case."""
        return await self._database.write(lambda db: _show_staff(db, case, messages, heard, at))

    async def passed_on(
        self, case: Case, messages: Sequence[StoredMessage], *, words: str, told: str = "", at: datetime
    ) -> None:
        """They are done with: `words` are remembered, and what the customer was `told`."""
        await self._database.write(lambda db: _passed_on(db, case, messages, words, told, at))

    async def recipient(self, post: Address) -> Recipient | None:
        """Whose post this is."""
        return await self._database.read(lambda db: _recipient(db, post))

    async def said(self, stored: StoredMessage) -> Said | None:
        """What the customer sees of a message of staff's; None: nothing."""
        return await self._database.read(lambda db: _said(db, stored.root))

    async def is_withdrawn(self, stored: StoredMessage) -> bool:
        """Whether its writer has deleted it meanwhile."""
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT 1 FROM inbox WHERE corrects = ? AND is_deleted = 1", (stored.root,)
            ).fetchone()
        )
        return row is not None

    async def take_over(self, conversation_id: int, heard: Decide, *, at: datetime) -> Case:
        """One of the staff writes to the customer; `heard` is what that makes of the case, of a new one where none is
        open."""
        return await self._database.write(lambda db: _take_over(db, conversation_id, heard, at))

    async def delivered(
        self, stored: StoredMessage, to: Recipient, said: Said | None, errands: Sequence[Errand], *, at: datetime
    ) -> None:
        """A message of staff's is done with: this is what the customer sees of it now (None: nothing), and how that is
        shown in the post."""
        await self._database.write(lambda db: _delivered(db, stored, to, said, errands, at))

    async def hang_for_customer(self, to: Recipient, hangs_on: str | None) -> str | None:
        """The `OutboundMessage.reply_to` of what hangs on this message of the post."""
        return await self._database.read(lambda db: _hang_for_customer(db, to, hangs_on)) if hangs_on else None

    async def hang_at_desk(self, stored: StoredMessage, post: Address) -> str | None:
        """The message of the post that shows the one which this one of the customer's replies to."""
        return await self._database.read(lambda db: _hang_at_desk(db, stored, post))


def _show_staff(
    db: sqlite3.Connection, case: Case, messages: Sequence[StoredMessage], heard: Decide, at: datetime
) -> Case:
    queue(db, case.conversation_id, case.id, _errands(messages))
    changed = change_case(db, case.id, heard, at)
    assert changed is not None
    return changed


def _errands(messages: Sequence[StoredMessage]) -> Iterator[Errand]:
    """An album is shown as one message."""
    albums: dict[str, list[int]] = {}
    for stored in messages:
        album = stored.message.album_id
        if album and not stored.is_correction:
            albums.setdefault(album, []).append(stored.id)
    for stored in messages:
        message = stored.message
        if message.deleted:
            yield Errand("deletion", stored.root, (stored.id,))
        elif stored.is_correction:
            yield Errand("edit", stored.root, (stored.id,))
        elif not message.album_id:
            yield Errand("message", stored.id, (stored.id,))
        elif (ids := albums[message.album_id])[0] == stored.id:
            yield Errand("message", stored.id, tuple(ids))


def _passed_on(
    db: sqlite3.Connection, case: Case, messages: Sequence[StoredMessage], words: str, told: str, at: datetime
) -> None:
    last = max(stored.id for stored in messages)
    if words:
        _insert_turn(db, case.conversation_id, last, "customer", words, "complete", None, at)
    if told:
        key = reply_key(messages[0].id)
        _insert_turn(db, case.conversation_id, last, "assistant", told, "sentence", key, at)
        db.execute("UPDATE cases SET is_told = 1 WHERE id = ?", (case.id,))
    _close(db, messages, at)


def _take_over(db: sqlite3.Connection, conversation_id: int, heard: Decide, at: datetime) -> Case:
    case = change_case(db, open_case(db, conversation_id, "taken", "", at).id, heard, at)
    assert case is not None
    return case


def _delivered(
    db: sqlite3.Connection,
    stored: StoredMessage,
    to: Recipient,
    said: Said | None,
    errands: Sequence[Errand],
    at: datetime,
) -> None:
    keep_places(db, stored.root, said.places if said else {})
    key = reply_key(stored.root)
    if said is None:
        db.execute("DELETE FROM turns WHERE role = 'staff' AND reply_key = ?", (key,))
    else:
        text = said.text or "[…]"
        changed = db.execute("UPDATE turns SET text = ? WHERE role = 'staff' AND reply_key = ?", (text, key))
        if not changed.rowcount:
            _insert_turn(db, to.conversation_id, stored.root, "staff", text, "complete", key, at, said.preface)
    queue(db, to.conversation_id, None, errands)
    _close(db, [stored], at)


def _insert_turn(
    db: sqlite3.Connection,
    conversation_id: int,
    inbox_id: int,
    role: str,
    text: str,
    outcome: str,
    key: str | None,
    at: datetime,
    preface: str = "",
) -> None:
    db.execute(
        "INSERT INTO turns (conversation_id, inbox_id, role, text, outcome, reply_key, preface, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (conversation_id, inbox_id, role, text, outcome, key, preface, iso(at)),
    )


def _close(db: sqlite3.Connection, messages: Sequence[StoredMessage], at: datetime) -> None:
    for stored in messages:
        keep_edit(db, stored, at)
    db.executemany("UPDATE inbox SET answered_at = ? WHERE id = ?", [(iso(at), stored.id) for stored in messages])
    forget(db, *(reply_key(stored.id) for stored in messages))


def _recipient(db: sqlite3.Connection, post: Address) -> Recipient | None:
    row = db.execute(
        "SELECT conversations.* FROM posts JOIN conversations ON conversations.id = conversation_id"
        " WHERE posts.platform = ? AND posts.chat_id = ?",
        (post.platform, post.chat_id),
    ).fetchone()
    if row is None:
        return None
    ours = db.execute(
        "SELECT turns.role, inbox.sender_id FROM turns LEFT JOIN inbox ON inbox.id = turns.inbox_id"
        " WHERE turns.conversation_id = ? AND turns.role <> 'customer' ORDER BY turns.id DESC LIMIT 1",
        (row["id"],),
    ).fetchone()
    return Recipient(
        conversation_id=row["id"],
        address=Address(row["platform"], row["chat_id"], row["thread_id"] or None),
        language=row["language"],
        last_author=ours["sender_id"] if ours and ours["role"] == "staff" else None,
        is_blocked=row["blocked_at"] is not None,
    )


def _said(db: sqlite3.Connection, inbox_id: int) -> Said | None:
    row = db.execute(
        "SELECT text, preface FROM turns WHERE role = 'staff' AND reply_key = ?", (reply_key(inbox_id),)
    ).fetchone()
    return Said(row["text"], row["preface"], places_of(db, inbox_id)) if row else None


def _hang_for_customer(db: sqlite3.Connection, to: Recipient, hangs_on: str | None) -> str | None:
    row = db.execute(
        "SELECT reply_to FROM inbox JOIN relayed ON inbox_id = inbox.id"
        " WHERE relayed.message_id = ? AND conversation_id = ? AND role = 'customer' LIMIT 1",
        (hangs_on, to.conversation_id),
    ).fetchone()
    if row is not None:
        return str(row["reply_to"]) if row["reply_to"] is not None else None
    return None


def _hang_at_desk(db: sqlite3.Connection, stored: StoredMessage, post: Address) -> str | None:
    message = stored.message
    if message.hangs_on is None:
        return None
    at = message.address
    own = db.execute(
        "SELECT relayed.message_id FROM relayed JOIN inbox ON inbox.id = inbox_id"
        " WHERE inbox.platform = ? AND inbox.message_id IN (?, ?) AND relayed.chat_id = ? ORDER BY part LIMIT 1",
        (at.platform, message.hangs_on, f"{at.chat_id}:{message.hangs_on}", post.chat_id),
    ).fetchone()
    if own is None:
        own = db.execute(
            "SELECT inbox.message_id FROM relayed JOIN inbox ON inbox.id = inbox_id"
            " WHERE relayed.platform = ? AND relayed.chat_id = ? AND relayed.message_id IN (?, ?) LIMIT 1",
            (at.platform, at.chat_id, message.hangs_on, message.hangs_on.rpartition(":")[2]),
        ).fetchone()
    return str(own[0]) if own else None

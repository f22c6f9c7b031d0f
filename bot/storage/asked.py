"""What customers asked: what no policy answered, which answers relied on a section, the last questions."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.storage.database import Database, iso

_BEFORE = 2
_EVER = ""


@dataclass(frozen=True, slots=True)
class LoggedGap:
    """A question that no policy answered. `nearest` are ids of sections, best first."""

    question: str
    nearest: tuple[str, ...]
    at: datetime
    language: str | None
    version: str | None
    platform: str
    conversation: int
    inbox_id: int


@dataclass(frozen=True, slots=True)
class Relied:
    """An answer that relied on a section, and what the section said then."""

    section_id: str
    title: str
    heading: str
    text: str
    at: datetime
    platform: str
    conversation: int
    question: str
    answer: str
    version: str | None


@dataclass(frozen=True, slots=True)
class PastQuestion:
    """What a customer asked, and what he, or what he quoted, had said before it, oldest first."""

    text: str
    before: tuple[str, ...]
    at: datetime
    platform: str
    conversation: int


class Asked:
    """Only reads: the commands look at it beside the program that serves. Every method raises `StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def gaps(self, since: datetime | None, *, limit: int) -> tuple[LoggedGap, ...]:
        """The newest gaps, newest first."""
        return await self._database.read(lambda db: _gaps(db, since, limit))

    async def known_sections(self) -> tuple[tuple[str, str, str], ...]:
        """Every section that an answer ever relied on: id, title and headings."""
        return await self._database.read(
            lambda db: tuple(
                (row[0], row[1], row[2])
                for row in db.execute("SELECT DISTINCT section_id, title, heading FROM turn_sources ORDER BY 1, 2, 3")
            )
        )

    async def relied_on(self, sections: Sequence[str], since: datetime | None) -> tuple[Relied, ...]:
        """The answers that relied on any of these sections, newest first."""
        return await self._database.read(lambda db: _relied(db, sections, since))

    async def questions(self, limit: int) -> tuple[PastQuestion, ...]:
        """The last questions of customers that a model was asked, newest first."""
        return await self._database.read(lambda db: _questions(db, limit))


def _gaps(db: sqlite3.Connection, since: datetime | None, limit: int) -> tuple[LoggedGap, ...]:
    rows = db.execute(
        "SELECT question, nearest, turns.created_at, conversations.language, policy_version, platform,"
        " conversations.id, inbox_id FROM gaps JOIN turns ON turns.id = turn_id"
        " JOIN conversations ON conversations.id = conversation_id"
        " WHERE turns.created_at >= ? ORDER BY turn_id DESC LIMIT ?",
        (iso(since) if since else _EVER, limit),
    )
    return tuple(LoggedGap(row[0], tuple(json.loads(row[1])), datetime.fromisoformat(row[2]), *row[3:]) for row in rows)


def _relied(db: sqlite3.Connection, sections: Sequence[str], since: datetime | None) -> tuple[Relied, ...]:
    rows = db.execute(
        "SELECT section_id, title, heading, turn_sources.text, turns.created_at, platform, conversations.id,"
        " coalesce((SELECT asked.text FROM turns AS asked WHERE asked.conversation_id = turns.conversation_id"
        "   AND asked.inbox_id = turns.inbox_id AND asked.role != 'assistant' ORDER BY asked.id DESC LIMIT 1), ''),"
        " turns.text, policy_version"
        " FROM turn_sources JOIN turns ON turns.id = turn_id JOIN conversations ON conversations.id = conversation_id"
        " WHERE section_id IN (SELECT value FROM json_each(?)) AND turns.created_at >= ?"
        " ORDER BY turns.id DESC, position",
        (json.dumps(list(sections)), iso(since) if since else _EVER),
    )
    return tuple(Relied(row[0], row[1], row[2], row[3], datetime.fromisoformat(row[4]), *row[5:]) for row in rows)


def _questions(db: sqlite3.Connection, limit: int) -> tuple[PastQuestion, ...]:
    rows = db.execute(
        "SELECT turns.id, conversation_id, created_at FROM turns WHERE role = 'assistant' AND request_ms NOTNULL"
        " AND EXISTS (SELECT 1 FROM inbox WHERE answered_by = turns.id AND role = 'customer' AND text != '')"
        " ORDER BY turns.id DESC LIMIT ?",
        (limit,),
    ).fetchall()
    return tuple(_question(db, *row) for row in rows)


def _question(db: sqlite3.Connection, turn_id: int, conversation_id: int, at: str) -> PastQuestion:
    asked = db.execute(
        "SELECT id, text, quoted, platform FROM inbox WHERE answered_by = ? ORDER BY id", (turn_id,)
    ).fetchall()
    before = [row["quoted"] for row in asked if row["quoted"]]
    if not before:
        # What stands before a start afresh is forgotten.
        rows = db.execute(
            "SELECT text FROM turns WHERE conversation_id = :conversation AND role != 'assistant' AND id < :turn"
            " AND inbox_id < :first AND inbox_id > coalesce((SELECT max(id) FROM inbox WHERE"
            "   conversation_id = :conversation AND command = 'new' AND id < :first), 0)"
            " ORDER BY id DESC LIMIT :limit",
            {"conversation": conversation_id, "turn": turn_id, "first": asked[0]["id"], "limit": _BEFORE},
        )
        before = [row["text"] for row in rows][::-1]
    text = "\n".join(row["text"] for row in asked if row["text"].strip())
    return PastQuestion(text, tuple(before), datetime.fromisoformat(at), asked[0]["platform"], conversation_id)

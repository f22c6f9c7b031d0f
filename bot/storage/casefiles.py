"""All that the card of a case is made of, read in one go."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from bot.chat import Address, Role
from bot.storage.database import Database

_TURNS = 6
_TEXTS = 60


@dataclass(frozen=True, slots=True)
class FiledTurn:
    """One of the last turns; `sources` are the headings of the sections that it named."""

    role: Role
    text: str
    at: datetime
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseFile:
    """What is known of a customer and what was said, the last turns oldest first. `texts` are what he wrote lately,
    the newest first."""

    name: str
    address: Address
    language: str | None
    since: datetime
    cases: int
    turns: tuple[FiledTurn, ...]
    texts: tuple[str, ...]
    gaps: tuple[str, ...] = ()
    """His questions of late that no policy answers."""


class CaseFiles:
    """Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, conversation_id: int) -> CaseFile:
        """The file of a conversation."""
        return await self._database.read(lambda db: _file(db, conversation_id))


def _file(db: sqlite3.Connection, conversation_id: int) -> CaseFile:
    row = db.execute("SELECT * FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    count = db.execute("SELECT count(*) FROM cases WHERE conversation_id = ?", (conversation_id,)).fetchone()[0]
    turns = db.execute(
        "SELECT id, role, text, created_at FROM turns WHERE conversation_id = ? AND inbox_id > ? AND text <> ''"
        " ORDER BY id DESC LIMIT ?",
        (conversation_id, row["fresh_after"], _TURNS),
    ).fetchall()
    texts = db.execute(
        "SELECT text FROM inbox WHERE conversation_id = ? AND role = 'customer' AND text <> ''"
        " ORDER BY id DESC LIMIT ?",
        (conversation_id, _TEXTS),
    ).fetchall()
    gaps = db.execute(
        "SELECT question FROM gaps JOIN turns ON turns.id = turn_id WHERE conversation_id = ? AND inbox_id > ?"
        " ORDER BY turn_id DESC LIMIT 3",
        (conversation_id, row["fresh_after"]),
    ).fetchall()
    return CaseFile(
        name=row["sender_name"],
        address=Address(row["platform"], row["chat_id"], row["thread_id"] or None),
        language=row["language"],
        since=datetime.fromisoformat(row["created_at"]),
        cases=count,
        turns=tuple(_turn(db, turn) for turn in reversed(turns)),
        texts=tuple(text[0] for text in texts),
        gaps=tuple(gap[0] for gap in gaps),
    )


def _turn(db: sqlite3.Connection, row: sqlite3.Row) -> FiledTurn:
    sources = db.execute(
        "SELECT title, heading FROM turn_sources WHERE turn_id = ? ORDER BY position", (row["id"],)
    ).fetchall()
    names = (
        f"{one['title']} › {one['heading']}" if one["heading"] != one["title"] else one["title"] for one in sources
    )
    return FiledTurn(row["role"], row["text"], datetime.fromisoformat(row["created_at"]), tuple(dict.fromkeys(names)))

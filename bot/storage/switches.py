"""Switches that stay as they were turned, across restarts, and who turned them when and why."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from bot.storage.database import Database, iso


@dataclass(frozen=True, slots=True)
class Turned:
    """A switch was turned."""

    is_on: bool
    who: str
    why: str
    at: datetime


class Switches:
    """Every method is one transaction. They raise `StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last(self, name: str) -> Turned | None:
        """How a switch was turned last; None: never."""
        return await self._database.read(lambda db: last_turned(db, name))

    async def turn(self, name: str, turned: Turned) -> None:
        """Turn a switch."""
        values = (name, turned.is_on, turned.who, turned.why, iso(turned.at))
        await self._database.write(
            lambda db: db.execute("INSERT INTO switches (name, is_on, who, why, at) VALUES (?, ?, ?, ?, ?)", values)
        )


def last_turned(db: sqlite3.Connection, name: str) -> Turned | None:
    """How a switch was turned last; None: never."""
    row = db.execute(
        "SELECT is_on, who, why, at FROM switches WHERE name = ? ORDER BY id DESC LIMIT 1", (name,)
    ).fetchone()
    return Turned(bool(row[0]), row[1], row[2], datetime.fromisoformat(row[3])) if row else None

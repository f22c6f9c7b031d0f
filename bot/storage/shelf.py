"""Files that went out to a door which must hand them out itself, as the web page does."""

import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from bot.chat import File, Shelved
from bot.storage.database import Database, iso

_TOKEN_BYTES = 24


class StoredShelf:
    """The `Shelf` of one platform. Every method is one transaction."""

    def __init__(
        self,
        database: Database,
        platform: str,
        *,
        token: Callable[[], str] = lambda: secrets.token_urlsafe(_TOKEN_BYTES),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._platform = platform
        self._token = token
        self._now = now

    async def put(self, chat_id: str, key: str, files: Sequence[File]) -> tuple[Shelved, ...]:
        """See `Shelf.put`."""
        tokens, at = [self._token() for _ in files], iso(self._now())
        return await self._database.write(lambda db: _put(db, (self._platform, chat_id, key), files, tokens, at))

    async def of(self, chat_id: str) -> Mapping[str, tuple[Shelved, ...]]:
        """See `Shelf.of`."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT token, message_key, name, media_type, length(data) AS size FROM shelf"
                " WHERE platform = ? AND chat_id = ? ORDER BY message_key, position",
                (self._platform, chat_id),
            ).fetchall()
        )
        found: dict[str, tuple[Shelved, ...]] = {}
        for row in rows:
            found[row["message_key"]] = (*found.get(row["message_key"], ()), _shelved(row))
        return found

    async def take(self, chat_id: str, token: str) -> File | None:
        """See `Shelf.take`."""
        row = await self._database.read(
            lambda db: db.execute(
                "SELECT name, media_type, data FROM shelf WHERE token = ? AND platform = ? AND chat_id = ?",
                (token, self._platform, chat_id),
            ).fetchone()
        )
        return None if row is None else File(row["name"], row["media_type"], row["data"])

    async def clear(self, chat_id: str, key: str) -> None:
        """See `Shelf.clear`."""
        await self._database.write(
            lambda db: db.execute(
                "DELETE FROM shelf WHERE platform = ? AND chat_id = ? AND message_key = ?",
                (self._platform, chat_id, key),
            )
        )


def _put(
    db: sqlite3.Connection, where: tuple[str, str, str], files: Sequence[File], tokens: Sequence[str], at: str
) -> tuple[Shelved, ...]:
    db.executemany(
        "INSERT OR IGNORE INTO shelf (token, platform, chat_id, message_key, position, name, media_type, data, kept_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (token, *where, position, file.name, file.media_type, file.data, at)
            for position, (token, file) in enumerate(zip(tokens, files, strict=True))
        ],
    )
    rows = db.execute(
        "SELECT token, name, media_type, length(data) AS size FROM shelf"
        " WHERE platform = ? AND chat_id = ? AND message_key = ? ORDER BY position",
        where,
    ).fetchall()
    return tuple(map(_shelved, rows))


def _shelved(row: sqlite3.Row) -> Shelved:
    return Shelved(row["token"], row["name"], row["media_type"], row["size"])

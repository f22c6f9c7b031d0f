"""The database as a command sees it that only reads, beside the program that serves it or while none does."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from bot.errors import StorageError
from bot.storage.backup import opened
from bot.storage.database import Database, T, Work
from bot.storage.faults import failed, unusable
from bot.storage.schema import migrations


class ReadOnlyDatabase(Database):
    """A `Database` that opens the file for each read, and never writes: the program that serves is the one writer."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def read(self, work: Work[T]) -> T:
        return await asyncio.to_thread(self._read, work)

    async def write(self, work: Work[T]) -> T:
        """Raises `StorageError` always."""
        raise StorageError(f"{self.path} was opened to be read only")

    async def close(self) -> None:
        """Nothing is held."""

    def _read(self, work: Work[T]) -> T:
        try:
            with closing(opened(self.path)) as db:
                db.row_factory = sqlite3.Row
                db.execute("PRAGMA query_only=ON")
                db.execute("BEGIN")
                return work(db)
        except sqlite3.Error as exc:
            raise failed(exc) from exc


def is_there(path: Path) -> bool:
    """Whether there is a database. Raises `StorageError` when that cannot be seen."""
    try:
        return path.exists()
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise StorageError(
            f"{path} cannot be read: {reason}. Let this user read the folder, or set SHOPDESK_DATA."
        ) from exc


async def is_current(path: Path) -> bool:
    """Whether the file has the shape that this program reads. Raises `StorageError` when it is a newer one's."""

    def schema(db: sqlite3.Connection) -> int:
        return int(db.execute("PRAGMA user_version").fetchone()[0])

    try:
        found, known = await ReadOnlyDatabase(path).read(schema), len(migrations())
    except StorageError as exc:
        raise unusable(path, exc, "") from exc
    if found > known:
        raise StorageError(
            f"{path} was written by a newer Shopdesk (schema {found}, this program knows {known}): "
            "install the newer program first."
        )
    return found == known

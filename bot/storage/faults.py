"""What SQLite complains about, as one sentence for the operator."""

import sqlite3
from pathlib import Path

from bot.errors import StorageError, StorageFull


def failed(exc: sqlite3.Error, database: Path | None = None) -> StorageError:
    """Why a read or a write did not work, of this database if it is known."""
    if is_full(exc):
        disk = f"the disk of {database.parent}" if database else "the disk"
        return StorageFull(f"there is no room on {disk}: free some, the bot goes on by itself")
    if is_busy(exc):
        return StorageError("another program holds the database: close it, the bot goes on by itself")
    if is_damage(exc):
        return StorageError(f"the database is damaged ({exc}): stop the program and restore a backup")
    return StorageError(f"SQLite: {exc}")


def unusable(path: Path, exc: Exception, advice: str) -> StorageError:
    """Why a database cannot be opened. `advice`: what to do about one that is damaged."""
    if isinstance(exc, sqlite3.Error):
        if is_damage(exc):
            return StorageError(f"{path} is damaged or no database: {exc}. {advice}")
        if is_busy(exc):
            return StorageError(f"{path} is held by another program: close that one first.")
        if is_full(exc):
            return StorageFull(f"There is no room on the disk of {path.parent}: free some.")
    if isinstance(exc, StorageError):
        return StorageError(f"{path} cannot be used: {exc}")
    reason = exc.strerror if isinstance(exc, OSError) else exc
    return StorageError(
        f"The data folder {path.parent} cannot be used: {reason}. Make it writable, or set SHOPDESK_DATA to another."
    )


def is_busy(exc: sqlite3.Error) -> bool:
    """Whether another program holds the file."""
    return code(exc) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_damage(exc: sqlite3.Error) -> bool:
    """Whether the file is damaged or no database. What we found ourselves is a plain `DatabaseError`."""
    if type(exc) is sqlite3.DatabaseError and code(exc) is None:
        return True
    return code(exc) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_full(exc: sqlite3.Error) -> bool:
    """Whether the disk is."""
    return code(exc) == sqlite3.SQLITE_FULL


def code(exc: sqlite3.Error) -> int | None:
    """The primary result code; Python makes some errors itself, which have none."""
    extended = getattr(exc, "sqlite_errorcode", None)
    return None if extended is None else int(extended) & 0xFF

"""Puts a backup in the place of the database, and keeps the database of before."""

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import StorageError
from bot.storage.backup import PARTIAL, STAMP, Saved, copy, log_of, look_at, looked_at, sync_folder
from bot.storage.faults import failed
from bot.storage.lock import locked


@dataclass(frozen=True, slots=True)
class Restored:
    """`database` is now what `source` was; the file of before is `kept`, when there was one."""

    database: Path
    source: Path
    kept: Path | None
    schema: int
    messages: int
    answers: int


def restore(database: Path, source: Path, *, at: datetime) -> Restored:
    """Put a copy of `source` in the place of the database, which is kept under another name.

    Raises `StorageError` when the source is no whole database of ours or a program serves the database;
    nothing has changed then.
    """
    if not source.is_file():
        raise StorageError(f"There is no backup {source}: `shopdesk restore --list` shows those that there are.")
    if database.exists() and source.samefile(database):
        raise StorageError(f"{source} is the database itself: name a backup.")
    with locked(database):
        partial = database.with_name(f"{database.name}{PARTIAL}")
        try:
            saved = _checked(source, partial)
            kept = _put_aside(database, at)
            os.replace(partial, database)
            sync_folder(database.parent)
        except OSError as exc:
            raise StorageError(f"{database} cannot be restored: {exc.strerror}.") from exc
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
    return Restored(database, source, kept, saved.schema, saved.messages, saved.answers)


def _checked(source: Path, partial: Path) -> Saved:
    """A copy of the source, looked at: of a source that is a database in use, too, all is in it."""
    try:
        look_at(source)
        copy(source, partial)
        return looked_at(partial)
    except sqlite3.Error as exc:
        raise StorageError(f"{source} cannot be copied: {failed(exc)}.") from exc


def _put_aside(database: Path, at: datetime) -> Path | None:
    """Keep the database under another name; None when there is none. Its own is taken from it only when the new one
    takes its place."""
    is_there = database.exists()
    if is_there:
        with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    kept = database.with_name(f"shopdesk-before-restore-{at.astimezone(UTC):{STAMP}}.db")
    if kept.exists():
        raise StorageError(f"{kept} exists already: try again in a second.")
    # The file is too damaged for its log to be folded back, or was removed without it. SQLite would play a log that
    # stays into whatever file has the name.
    if log_of(database).exists():
        os.replace(log_of(database), log_of(kept))
    database.with_name(f"{database.name}-shm").unlink(missing_ok=True)
    if not is_there:
        return None
    try:
        os.link(database, kept)
    except OSError:  # a file system without links
        os.replace(database, kept)
    return kept

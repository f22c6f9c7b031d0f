"""The policy versions: snapshots of the prompts folder, and which one is live."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from bot.errors import StorageError
from bot.storage.database import Database


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """Who made a version, when (UTC) and why."""

    id: str
    created_at: datetime
    created_by: str
    reason: str


class PolicyVersions:
    """The tables of the policies. Raises `StorageError` for a version that does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, files: Mapping[str, str], *, hash: str, at: datetime, who: str, why: str) -> str:
        """Keep a snapshot under its hash; one that is there already stays as it is. Returns the version's id."""
        return await self._database.write(lambda db: _store(db, files, PolicyVersion(hash, at, who, why)))

    async def activate(self, version: str, *, at: datetime, who: str, why: str) -> bool:
        """Make a version the live one. False when it was that before."""
        return await self._database.write(lambda db: _activate(db, PolicyVersion(version, at, who, why)))

    async def active(self) -> str | None:
        """The id of the live version; None before the first was activated."""
        return await self._database.read(_active)

    async def versions(self) -> tuple[PolicyVersion, ...]:
        """Every version that was ever stored, the oldest first."""
        return await self._database.read(_versions)

    async def files(self, version: str) -> dict[str, str]:
        """A version's files: path in the folder → text."""
        return await self._database.read(lambda db: _files(db, version))


def _store(db: sqlite3.Connection, files: Mapping[str, str], version: PolicyVersion) -> str:
    row = (version.id, _stamp(version.created_at), version.created_by, version.reason)
    if not db.execute("INSERT OR IGNORE INTO policy_versions VALUES (?, ?, ?, ?)", row).rowcount:
        return version.id
    for path, text in sorted(files.items()):
        text_hash = sha256(text.encode()).hexdigest()
        db.execute("INSERT OR IGNORE INTO policy_texts VALUES (?, ?)", (text_hash, text))
        db.execute("INSERT INTO policy_files VALUES (?, ?, ?)", (version.id, path, text_hash))
    return version.id


def _activate(db: sqlite3.Connection, version: PolicyVersion) -> bool:
    _must_exist(db, version.id)
    if _active(db) == version.id:
        return False
    db.execute(
        "INSERT INTO policy_activations (version_id, activated_at, activated_by, reason) VALUES (?, ?, ?, ?)",
        (version.id, _stamp(version.created_at), version.created_by, version.reason),
    )
    return True


def _active(db: sqlite3.Connection) -> str | None:
    row = db.execute("SELECT version_id FROM policy_activations ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else str(row[0])


def _versions(db: sqlite3.Connection) -> tuple[PolicyVersion, ...]:
    rows = db.execute("SELECT id, created_at, created_by, reason FROM policy_versions ORDER BY rowid")
    return tuple(PolicyVersion(row[0], datetime.fromisoformat(row[1]), row[2], row[3]) for row in rows)


def _files(db: sqlite3.Connection, version: str) -> dict[str, str]:
    _must_exist(db, version)
    rows = db.execute(
        "SELECT path, text FROM policy_files JOIN policy_texts ON hash = text_hash WHERE version_id = ? ORDER BY path",
        (version,),
    )
    return {row[0]: row[1] for row in rows}


def _must_exist(db: sqlite3.Connection, version: str) -> None:
    if db.execute("SELECT 1 FROM policy_versions WHERE id = ?", (version,)).fetchone() is None:
        raise StorageError(f"There is no policy version {version[:64]}.")


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")

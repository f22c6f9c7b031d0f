"""The policy versions: snapshots of the prompts folder, which one is live, and what became of each candidate."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

from bot.errors import Problem, StorageError
from bot.storage.database import Database


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """Who made a version, when (UTC) and why."""

    id: str
    created_at: datetime
    created_by: str
    reason: str


CandidateState = Literal["live", "waiting", "refused"]


@dataclass(frozen=True, slots=True)
class Activation:
    """That a version went live: when (UTC), by whom and why."""

    version: str
    at: datetime
    who: str
    why: str
    is_rollback: bool = False


@dataclass(frozen=True, slots=True)
class Considered:
    """What became of a version that the folder was; `problems` are those of its tests."""

    version: str
    at: datetime
    state: CandidateState
    problems: tuple[Problem, ...] = ()


class PolicyVersions:
    """The tables of the policies. Raises `StorageError` for a version that does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, files: Mapping[str, str], *, hash: str, at: datetime, who: str, why: str) -> str:
        """Keep a snapshot under its hash; one that is there already stays as it is. Returns the version's id."""
        return await self._database.write(lambda db: _store(db, files, PolicyVersion(hash, at, who, why)))

    async def activate(self, version: str, *, at: datetime, who: str, why: str, is_rollback: bool = False) -> bool:
        """Make a version the live one. False when it was that before."""
        activation = Activation(version, at, who, why, is_rollback)
        return await self._database.write(lambda db: _activate(db, activation))

    async def consider(self, candidate: Considered) -> None:
        """Remember what became of the folder."""
        await self._database.write(lambda db: _consider(db, candidate))

    async def active(self) -> str | None:
        """The id of the live version; None before the first was activated."""
        return await self._database.read(_active)

    async def versions(self) -> tuple[PolicyVersion, ...]:
        """Every version that was ever stored, the oldest first."""
        return await self._database.read(_versions)

    async def files(self, version: str) -> dict[str, str]:
        """A version's files: path in the folder → text."""
        return await self._database.read(lambda db: _files(db, version))

    async def hashes(self, *versions: str) -> dict[str, dict[str, str]]:
        """The files of these versions, or of all: version → path in the folder → hash of the text (SHA-256)."""
        return await self._database.read(lambda db: _hashes(db, versions))

    async def activations(self) -> tuple[Activation, ...]:
        """Every time that a version went live, the oldest first."""
        return await self._database.read(_activations)

    async def last_considered(self) -> Considered | None:
        """What became of the folder when it last was something new that checks; None before that."""
        return await self._database.read(_last_considered)


def _store(db: sqlite3.Connection, files: Mapping[str, str], version: PolicyVersion) -> str:
    row = (version.id, _stamp(version.created_at), version.created_by, version.reason)
    if not db.execute("INSERT OR IGNORE INTO policy_versions VALUES (?, ?, ?, ?)", row).rowcount:
        return version.id
    for path, text in sorted(files.items()):
        text_hash = sha256(text.encode()).hexdigest()
        db.execute("INSERT OR IGNORE INTO policy_texts VALUES (?, ?)", (text_hash, text))
        db.execute("INSERT INTO policy_files VALUES (?, ?, ?)", (version.id, path, text_hash))
    return version.id


def _activate(db: sqlite3.Connection, activation: Activation) -> bool:
    version = activation.version
    _must_exist(db, version)
    # What was refused or waited is not that any more, whoever made it live.
    db.execute("UPDATE policy_candidates SET state = 'live' WHERE version_id = ?", (version,))
    if _active(db) == version:
        return False
    db.execute(
        "INSERT INTO policy_activations (version_id, activated_at, activated_by, reason, is_rollback)"
        " VALUES (?, ?, ?, ?, ?)",
        (version, _stamp(activation.at), activation.who, activation.why, activation.is_rollback),
    )
    return True


def _consider(db: sqlite3.Connection, candidate: Considered) -> None:
    problems = json.dumps([asdict(problem) for problem in candidate.problems], ensure_ascii=False)
    _must_exist(db, candidate.version)
    db.execute(
        "INSERT INTO policy_candidates (version_id, considered_at, state, problems) VALUES (?, ?, ?, ?)",
        (candidate.version, _stamp(candidate.at), candidate.state, problems),
    )


def _active(db: sqlite3.Connection) -> str | None:
    row = db.execute("SELECT version_id FROM policy_activations ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else str(row[0])


def _versions(db: sqlite3.Connection) -> tuple[PolicyVersion, ...]:
    rows = db.execute("SELECT id, created_at, created_by, reason FROM policy_versions ORDER BY rowid")
    return tuple(PolicyVersion(row[0], datetime.fromisoformat(row[1]), row[2], row[3]) for row in rows)


def _activations(db: sqlite3.Connection) -> tuple[Activation, ...]:
    rows = db.execute(
        "SELECT version_id, activated_at, activated_by, reason, is_rollback FROM policy_activations ORDER BY id"
    )
    return tuple(Activation(row[0], datetime.fromisoformat(row[1]), row[2], row[3], bool(row[4])) for row in rows)


def _last_considered(db: sqlite3.Connection) -> Considered | None:
    row = db.execute(
        "SELECT version_id, considered_at, state, problems FROM policy_candidates ORDER BY id DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    problems = tuple(Problem(**problem) for problem in json.loads(row[3]))
    return Considered(row[0], datetime.fromisoformat(row[1]), row[2], problems)


def _hashes(db: sqlite3.Connection, versions: Sequence[str]) -> dict[str, dict[str, str]]:
    wanted = versions or [str(row[0]) for row in db.execute("SELECT id FROM policy_versions")]
    return {
        version: dict(
            db.execute("SELECT path, text_hash FROM policy_files WHERE version_id = ? ORDER BY path", (version,))
        )
        for version in wanted
    }


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

"""The one SQLite file: a writer task that commits in groups, readers apart, numbered migrations.

Callers hand in a plain function of a `sqlite3.Connection`. It runs on the connection's own thread, in a
transaction of its own: a caller that is cancelled meanwhile leaves either all of it or nothing. What waits
for a connection is run in one go: in a crowd, changing threads would cost more than the work itself.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import aiosqlite

from bot.errors import StorageError
from bot.storage.damage import advice_of, look_for_damage
from bot.storage.faults import failed, is_busy, unusable
from bot.storage.schema import bring_up_to_date
from bot.storage.wal import BoundedLog

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

# WAL and FULL: an acknowledged transaction survives the loss of power. No mmap and one writing
# connection: both keep clear of the WAL-reset corruption fixed in SQLite 3.51.3.
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA mmap_size=0",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=10000",
    "PRAGMA secure_delete=ON",
    "PRAGMA trusted_schema=OFF",
)
_PATIENCE = 6
"""So many times `busy_timeout` a write waits while another program holds the database."""
_READERS = 2
_WRITES = 256
_READS = 32
"""Run in one go at most; the other reader takes what is behind them."""


def iso(at: datetime) -> str:
    """A moment as it is stored: ISO 8601 in UTC, with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


class _Connection(aiosqlite.Connection):
    """A connection whose thread runs a whole function in one go."""

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return cast(T, await self._execute(work, self._conn))  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    done: asyncio.Future[Any]


@dataclass(slots=True)
class _Failed:
    error: Exception


class Database:
    """Open with `await Database.open(path)`, close with `await database.close()`.

    `read` and `write` raise `StorageFull` when the disk is full, `StorageError` when SQLite fails
    otherwise, and whatever the given function raises itself.
    """

    def __init__(self, path: Path, writer: _Connection, readers: list[_Connection]) -> None:
        self.path = path
        self._writer = writer
        self._all = [writer, *readers]
        self._writes: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._reads: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._closing: asyncio.Task[None] | None = None
        bound = BoundedLog(path)
        self._tasks = [asyncio.create_task(_serve(self._writes, _WRITES, partial(_write, writer, path, bound)))]
        for reader in readers:
            self._tasks.append(asyncio.create_task(_serve(self._reads, _READS, partial(_read, reader))))

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open or create the file, and bring it to the newest migration.

        Raises `StorageError` when the folder cannot be written, the file is no database or damaged (then it
        names the newest good backup), or a newer program has written it.
        """
        connections: list[_Connection] = []
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            await asyncio.to_thread(look_for_damage, path)
            await asyncio.to_thread(_create, path)
            for _ in range(1 + _READERS):
                connections.append(_connection(path))
                await _prepare(connections[-1])
                await connections[-1].call(_migrate if len(connections) == 1 else _read_only)
        except BaseException as exc:
            await asyncio.shield(_close(connections))
            if isinstance(exc, OSError | sqlite3.Error | StorageError):
                raise unusable(path, exc, await asyncio.to_thread(advice_of, path, exc)) from exc
            raise
        return cls(path, connections[0], connections[1:])

    async def read(self, work: Work[T]) -> T:
        """Run a function that only reads, beside the writer; all that it sees is of one moment."""
        return await self._done(self._reads, work)

    async def write(self, work: Work[T]) -> T:
        """Run a function as one transaction; it is on the disk when this returns."""
        return await self._done(self._writes, work)

    async def close(self) -> None:
        """Finish what was handed in, fold the WAL back, close the file. Goes on when the caller is cancelled; whoever
        calls it again waits for the same end."""
        if self._closing is None:
            self._writes.put_nowait(None)
            for _ in range(_READERS):
                self._reads.put_nowait(None)
            self._closing = asyncio.create_task(self._finish())
        await asyncio.shield(self._closing)

    async def _finish(self) -> None:
        try:
            await asyncio.gather(*self._tasks)
            with suppress(sqlite3.Error):
                await self._writer.call(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        finally:
            await _close(self._all)

    async def _done(self, jobs: "asyncio.Queue[_Job | None]", work: Work[T]) -> T:
        if self._closing is not None:
            raise StorageError("the database is closed: the program is about to end")
        job = _Job(work, asyncio.get_running_loop().create_future())
        jobs.put_nowait(job)
        # The group goes on without a caller that is cancelled; shielding keeps its result from being lost.
        return cast(T, await asyncio.shield(job.done))


async def _serve(
    jobs: "asyncio.Queue[_Job | None]", most: int, run: Callable[[list[Work[Any]]], Awaitable[list[object]]]
) -> None:
    """Run what is handed in, up to `most` at once, until there comes a None."""
    job = await jobs.get()
    while job is not None:
        group = [job]
        while len(group) < most and not jobs.empty() and (job := jobs.get_nowait()) is not None:
            group.append(job)
        for done, result in zip(group, await run([one.work for one in group]), strict=True):
            if isinstance(result, _Failed):
                done.done.set_exception(result.error)
                done.done.exception()  # a caller that was cancelled will not ask for it
            else:
                done.done.set_result(result)
        if job is not None:
            job = await jobs.get()


async def _write(connection: _Connection, path: Path, bound: BoundedLog, works: list[Work[Any]]) -> list[object]:
    def run(db: sqlite3.Connection) -> list[object]:
        results = _run_group(db, path, works)
        bound(db)
        return results

    try:
        return await connection.call(run)
    except sqlite3.Error as exc:
        return [_Failed(failed(exc, path))] * len(works)
    except Exception as exc:  # a function that ended the transaction under the others; the writer lives on
        log.exception("a group of %d writes was undone", len(works))
        return [_Failed(StorageError(f"a write broke the transaction of its group: {exc!r}"))] * len(works)


async def _read(connection: _Connection, works: list[Work[Any]]) -> list[object]:
    return await connection.call(lambda db: _run_readers(db, works))


def _run_group(db: sqlite3.Connection, path: Path, works: list[Work[Any]]) -> list[object]:
    """All functions in one transaction, each behind a savepoint so that one that fails undoes itself only."""
    results: list[object] = []
    _begin(db)
    try:
        for work in works:
            db.execute("SAVEPOINT job")
            try:
                result = work(db)
                # A cursor belongs to this thread; nobody else may touch it.
                results.append(None if isinstance(result, sqlite3.Cursor) else result)
            except Exception as exc:
                if not db.in_transaction:  # a full disk undoes the whole transaction, the group with it
                    raise
                db.execute("ROLLBACK TO job")
                results.append(_Failed(failed(exc, path) if isinstance(exc, sqlite3.Error) else exc))
            db.execute("RELEASE job")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return results


def _begin(db: sqlite3.Connection) -> None:
    for left in reversed(range(_PATIENCE)):
        try:
            db.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.Error as exc:
            if not is_busy(exc) or not left:
                raise
            log.warning("another program holds the database: writes wait for it")


def _run_readers(db: sqlite3.Connection, works: list[Work[Any]]) -> list[object]:
    """All functions in one transaction, which sees what was written before the last of them was handed in."""
    try:
        db.execute("BEGIN")
        try:
            return [_run_reader(db, work) for work in works]
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
    except sqlite3.Error as exc:
        return [_Failed(failed(exc))] * len(works)


def _run_reader(db: sqlite3.Connection, work: Work[Any]) -> object:
    try:
        return work(db)
    except Exception as exc:  # noqa: BLE001
        return _Failed(failed(exc) if isinstance(exc, sqlite3.Error) else exc)


def _create(path: Path) -> None:
    """The folder may be open to everybody. SQLite gives its other files the mode of this one."""
    if not path.exists():
        path.touch(mode=0o600)


def _connection(path: Path) -> _Connection:
    def connector() -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None)
        db.row_factory = sqlite3.Row
        return db

    connection = _Connection(connector, iter_chunk_size=64)
    connection._thread.daemon = True  # a database that nobody closed must not keep the process from ending
    return connection


async def _prepare(connection: _Connection) -> None:
    await connection
    await connection.call(lambda db: [db.execute(pragma).fetchall() for pragma in _PRAGMAS])


async def _close(connections: list[_Connection]) -> None:
    for connection in connections:
        with suppress(sqlite3.Error):
            await connection.close()
        if connection._thread.ident is not None:
            await asyncio.to_thread(connection._thread.join)


def _read_only(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA query_only=ON")


def _migrate(db: sqlite3.Connection) -> None:
    _begin(db)
    try:
        bring_up_to_date(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise

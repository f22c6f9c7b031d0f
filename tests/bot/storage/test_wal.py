"""The log beside the database: it may not grow for ever."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.storage.database import Database
from bot.storage.wal import BoundedLog, was_left_open


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "shopdesk.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA busy_timeout=7000")
        db.execute("CREATE TABLE notes (text)")
        yield db


@pytest.fixture
def reader(tmp_path: Path, writer: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Somebody who reads for a long time."""
    with closing(sqlite3.connect(tmp_path / "shopdesk.db", isolation_level=None)) as db:
        db.execute("BEGIN")
        db.execute("SELECT * FROM notes").fetchall()
        yield db


def size(folder: Path) -> int:
    return (folder / "shopdesk.db-wal").stat().st_size


def fill(writer: sqlite3.Connection, bytes_: int) -> None:
    writer.execute("INSERT INTO notes VALUES (zeroblob(?))", (bytes_,))


def test_a_log_within_its_limit_is_left_alone(tmp_path: Path, writer: sqlite3.Connection) -> None:
    fill(writer, 500_000)
    BoundedLog(tmp_path / "shopdesk.db", 1_000_000)(writer)
    assert size(tmp_path) > 500_000


def test_a_log_past_its_limit_is_emptied(tmp_path: Path, writer: sqlite3.Connection) -> None:
    fill(writer, 1_500_000)
    BoundedLog(tmp_path / "shopdesk.db", 1_000_000)(writer)
    assert size(tmp_path) == 0
    assert writer.execute("PRAGMA busy_timeout").fetchone()[0] == 7000


def test_a_long_reader_costs_writes_a_short_pause_now_and_then_and_the_log_is_emptied_after_it(
    tmp_path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection
) -> None:
    now = 0.0
    bound = BoundedLog(tmp_path / "shopdesk.db", 1_000_000, clock=lambda: now)
    fill(writer, 1_500_000)
    began = time.monotonic()
    for _ in range(100):
        bound(writer)
    assert time.monotonic() - began < 1.0
    assert size(tmp_path) > 1_500_000
    reader.execute("COMMIT")
    now += 5.1
    bound(writer)
    assert size(tmp_path) == 0


def test_a_database_without_a_log_is_no_trouble(tmp_path: Path, writer: sqlite3.Connection) -> None:
    BoundedLog(tmp_path / "elsewhere.db", 1)(writer)


async def test_what_a_kill_leaves_open_is_known_and_what_was_closed_is_not(tmp_path: Path) -> None:
    path, killed = tmp_path / "shopdesk.db", tmp_path / "killed.db"
    database = await Database.open(path)
    for end in ("", "-wal"):
        shutil.copyfile(f"{path}{end}", f"{killed}{end}")
    await database.close()
    assert not was_left_open(path)
    assert was_left_open(killed)
    await (await Database.open(killed)).close()
    assert not was_left_open(killed)

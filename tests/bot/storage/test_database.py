"""The one file: what a group of writes promises, who may write, and how a file that cannot be used is told."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest

from bot.errors import StorageError, StorageFull
from bot.storage.database import Database
from bot.storage.schema import migrations

DB = sqlite3.Connection


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "data" / "shopdesk.db")
    await database.write(lambda db: db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE)"))
    yield database
    await database.close()


def note(db: DB, text: str) -> int:
    return db.execute("INSERT INTO notes (text) VALUES (?)", (text,)).lastrowid or 0


def notes(db: DB) -> list[str]:
    return [row["text"] for row in db.execute("SELECT text FROM notes ORDER BY id")]


def threads() -> int:
    return sum("_connection_worker_thread" in thread.name for thread in threading.enumerate())


async def test_a_new_file_is_brought_to_the_newest_migration(database: Database) -> None:
    version = await database.read(lambda db: db.execute("PRAGMA user_version").fetchone()[0])
    assert version == len(migrations())
    tables = await database.read(lambda db: {row[0] for row in db.execute("SELECT name FROM sqlite_master")})
    assert {"conversations", "inbox", "turns", "attachments"} <= tables


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such modes")
async def test_nobody_else_on_the_machine_reads_what_customers_wrote(tmp_path: Path) -> None:
    def modes() -> dict[str, str]:
        return {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}

    await asyncio.to_thread(tmp_path.chmod, 0o755)
    database = await Database.open(tmp_path / "shopdesk.db")
    await database.write(lambda db: db.execute("CREATE TABLE notes (text TEXT)"))
    found = await asyncio.to_thread(modes)
    await database.close()
    assert found == {name: "0o600" for name in ("shopdesk.db", "shopdesk.db-wal", "shopdesk.db-shm")}


async def test_what_was_written_survives_the_power_going_off(database: Database) -> None:
    def modes(db: DB) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await database.read(modes) == ["wal", 2, 1]


async def test_a_write_is_seen_by_the_next_read(database: Database) -> None:
    await database.write(lambda db: note(db, "one"))
    assert await database.read(notes) == ["one"]


async def test_a_thousand_writes_at_once_keep_their_order(database: Database) -> None:
    numbers = await asyncio.gather(*(database.write(partial(note, text=str(n))) for n in range(1000)))
    assert numbers == sorted(numbers)
    assert await database.read(notes) == [str(n) for n in range(1000)]


async def test_writes_that_wait_are_committed_together(database: Database) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(db: DB) -> None:
        entered.set()
        assert go_on.wait(5)

    first = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(entered.wait, 5)
    counted: list[str] = []
    waiting = [asyncio.create_task(database.write(partial(note, text=str(n)))) for n in range(10)]
    await asyncio.sleep(0)
    watched = asyncio.create_task(database.write(lambda db: db.set_trace_callback(counted.append)))
    await asyncio.sleep(0)
    more = [asyncio.create_task(database.write(partial(note, text=f"b{n}"))) for n in range(10)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *waiting, watched, *more)
    await database.write(lambda db: db.set_trace_callback(None))
    assert counted.count("COMMIT") == 1
    assert len(await database.read(notes)) == 20


async def test_a_write_that_fails_undoes_itself_only(database: Database) -> None:
    def half(db: DB) -> None:
        note(db, "half")
        raise ValueError("not today")

    results = await asyncio.gather(
        database.write(lambda db: note(db, "before")),
        database.write(half),
        database.write(lambda db: note(db, "before")),
        database.write(lambda db: note(db, "after")),
        return_exceptions=True,
    )
    assert isinstance(results[1], ValueError)
    assert isinstance(results[2], StorageError)
    assert await database.read(notes) == ["before", "after"]


async def test_a_caller_that_is_cancelled_leaves_all_of_its_write_or_nothing(database: Database) -> None:
    def both(db: DB, n: int) -> None:
        note(db, f"{n} first")
        note(db, f"{n} second")

    for n in range(50):
        task = asyncio.create_task(database.write(partial(both, n=n)))
        for _ in range(n % 5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await database.write(lambda db: note(db, "last"))
    written = await database.read(notes)
    assert written[-1] == "last"
    for text in written[:-1]:
        who = text.split()[0]
        assert {f"{who} first", f"{who} second"} <= set(written)


async def test_a_write_that_ends_the_transaction_itself_does_not_stop_the_ones_after_it(database: Database) -> None:
    def unruly(db: DB) -> None:
        db.execute("ROLLBACK")
        raise ValueError("unruly")

    with pytest.raises(StorageError, match="broke the transaction"):
        await database.write(unruly)
    await asyncio.wait_for(database.write(lambda db: note(db, "after")), 5)
    assert await database.read(notes) == ["after"]


async def test_a_reader_goes_on_while_a_write_is_running(database: Database) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(db: DB) -> None:
        note(db, "slow")
        entered.set()
        assert go_on.wait(5)

    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(entered.wait, 5)
    assert await asyncio.wait_for(database.read(notes), 5) == []
    go_on.set()
    await writing
    assert await database.read(notes) == ["slow"]


async def test_all_that_one_read_sees_is_of_one_moment(database: Database) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def twice(db: DB) -> tuple[int, int]:
        first = len(notes(db))
        entered.set()
        assert go_on.wait(5)
        return first, len(notes(db))

    reading = asyncio.create_task(database.read(twice))
    await asyncio.to_thread(entered.wait, 5)
    await database.write(lambda db: note(db, "meanwhile"))
    go_on.set()
    assert await reading == (0, 0)
    assert await database.read(notes) == ["meanwhile"]


async def test_a_reader_cannot_write(database: Database) -> None:
    for _ in range(3):
        with pytest.raises(StorageError, match="readonly"):
            await database.read(lambda db: note(db, "sneaked in"))
    assert await database.read(notes) == []


async def test_a_full_disk_is_told_and_writes_go_on_when_there_is_room(database: Database) -> None:
    pages = await database.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await database.write(lambda db: note(db, "before"))
    await database.write(lambda db: db.execute(f"PRAGMA max_page_count={pages + 2}").fetchall())
    with pytest.raises(StorageFull, match=f"no room on the disk of {database.path.parent}"):
        await database.write(lambda db: note(db, "x" * 100_000))
    assert await database.read(notes) == ["before"]
    await database.write(lambda db: db.execute("PRAGMA max_page_count=1000000").fetchall())
    await database.write(lambda db: note(db, "after"))
    assert await database.read(notes) == ["before", "after"]


@asynccontextmanager
async def held_by_another_tool(database: Database) -> AsyncIterator[None]:
    """Somebody has an open transaction that writes. Our writer is made six times 50 ms patient meanwhile."""
    await database.write(lambda db: db.execute("PRAGMA busy_timeout=50").fetchall())
    with closing(sqlite3.connect(database.path, isolation_level=None)) as tool:
        tool.execute("BEGIN IMMEDIATE")
        yield


async def test_another_tool_that_holds_the_file_only_delays(database: Database) -> None:
    async with held_by_another_tool(database):
        writing = asyncio.create_task(database.write(lambda db: note(db, "late")))
        await asyncio.sleep(0.12)  # longer than one wait of SQLite's
        assert not writing.done()
        assert await database.read(notes) == []
    await asyncio.wait_for(writing, 5)
    assert await database.read(notes) == ["late"]


async def test_another_tool_that_never_lets_go_is_a_sentence_and_writes_go_on_afterwards(database: Database) -> None:
    async with held_by_another_tool(database):
        with pytest.raises(StorageError, match="another program holds the database: close it"):
            await database.write(lambda db: note(db, "never"))
    await database.write(lambda db: note(db, "after"))
    assert await database.read(notes) == ["after"]


async def test_closing_finishes_what_was_handed_in(tmp_path: Path) -> None:
    path = tmp_path / "shopdesk.db"
    database = await Database.open(path)
    await database.write(lambda db: db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)"))
    tasks = [asyncio.create_task(database.write(partial(note, text=str(n)))) for n in range(300)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*tasks)
    assert not path.with_name("shopdesk.db-wal").exists()
    again = await Database.open(path)
    assert len(await again.read(notes)) == 300
    await again.close()


async def test_a_database_that_is_closed_says_so_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "shopdesk.db")
    await database.close()
    await database.close()
    with pytest.raises(StorageError, match="closed"):
        await asyncio.wait_for(database.write(lambda db: None), 5)
    with pytest.raises(StorageError, match="closed"):
        await asyncio.wait_for(database.read(lambda db: None), 5)


async def test_a_file_that_a_newer_program_wrote_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "shopdesk.db"
    await (await Database.open(path)).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=999")
    db.close()
    with pytest.raises(StorageError, match="written by a newer Shopdesk \\(schema 999"):
        await Database.open(path)
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone()[0] == 999
    db.close()
    assert threads() == 0


@pytest.mark.parametrize("content", [b"a long text, and no database" * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
async def test_a_damaged_file_is_one_sentence_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "shopdesk.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="is damaged or no database") as found:
        await Database.open(path)
    assert str(path) in str(found.value)
    assert "\n" not in str(found.value)
    assert path.read_bytes() == content
    assert threads() == 0


async def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in the place of the folder")
    with pytest.raises(StorageError, match="set SHOPDESK_DATA") as found:
        await Database.open(tmp_path / "data" / "shopdesk.db")
    assert "\n" not in str(found.value)
    assert threads() == 0


async def test_a_folder_in_the_place_of_the_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "shopdesk.db").mkdir()
    with pytest.raises(StorageError, match="set SHOPDESK_DATA"):
        await Database.open(tmp_path / "shopdesk.db")
    assert threads() == 0


async def test_an_opening_that_is_cancelled_leaves_no_thread(tmp_path: Path) -> None:
    for turns in range(12):
        task = asyncio.create_task(Database.open(tmp_path / "shopdesk.db"))
        for _ in range(turns):
            await asyncio.sleep(0.001)
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, Database):
            await outcome.close()
    assert threads() == 0


def test_a_database_that_nobody_closed_does_not_keep_the_process_from_ending(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys; from bot.storage.database import Database;"
        "asyncio.run(Database.open(pathlib.Path(sys.argv[1])))"
    )
    root = Path(__file__).parent.parent.parent.parent
    words = [sys.executable, "-c", program, str(tmp_path / "shopdesk.db")]
    done = subprocess.run(words, cwd=root, timeout=30, check=False, stderr=subprocess.DEVNULL)
    assert done.returncode == 0


async def test_the_data_folder_is_for_its_owner_only(database: Database) -> None:
    assert database.path.parent.stat().st_mode & 0o077 == 0

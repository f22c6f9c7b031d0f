"""Copies of the database: whole or not there, beside a running program, and back."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from bot.errors import StorageError, StorageFull
from bot.storage.backup import back_up, backups, listed, look_at, must_have_room, name_at
from bot.storage.daily import DailyBackup
from bot.storage.database import Database
from bot.storage.lock import locked
from bot.storage.messages import Messages
from bot.storage.restore import restore
from tests.words import NOON, message


async def shop_with(path: Path, *texts: str) -> Path:
    """A database with these messages in it, closed."""
    database = await Database.open(path)
    for number, text in enumerate(texts, 1):
        await Messages(database).receive(message(text, number), at=NOON)
    await database.close()
    return path


def texts(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT text FROM inbox ORDER BY id")]


def content(path: Path) -> bytes:
    return path.read_bytes()


def entries(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def damage(path: Path) -> None:
    """Every page but the first is overwritten, as by a disk that forgets."""
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    return await shop_with(tmp_path / "data" / "shopdesk.db", "một", "hai")


async def test_a_backup_is_the_whole_database_and_for_its_owner_only(path: Path, tmp_path: Path) -> None:
    saved = back_up(path, tmp_path / "safe.db")
    assert texts(tmp_path / "safe.db") == ["một", "hai"]
    assert (saved.messages, saved.answers) == (2, 0)
    assert (tmp_path / "safe.db").stat().st_mode & 0o077 == 0
    assert entries(tmp_path) == ["data", "safe.db"]


async def test_a_backup_beside_a_running_program_holds_all_that_was_acknowledged(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "shopdesk.db")
    messages, stop = Messages(database), asyncio.Event()
    written: list[str] = []

    async def write() -> None:
        while not stop.is_set():
            text = str(len(written))
            await messages.receive(message(text, len(written)), at=NOON)
            written.append(text)

    writing = asyncio.create_task(write())
    for number in range(5):
        before = list(written)
        await asyncio.to_thread(back_up, database.path, tmp_path / f"{number}.db")
        saved = texts(tmp_path / f"{number}.db")
        assert saved[: len(before)] == before
        assert saved == [str(n) for n in range(len(saved))]
    stop.set()
    await writing
    await database.close()


async def test_a_backup_never_takes_the_place_of_a_file(path: Path, tmp_path: Path) -> None:
    (tmp_path / "safe.db").write_text("precious")
    with pytest.raises(StorageError, match="exists already"):
        back_up(path, tmp_path / "safe.db")
    assert (tmp_path / "safe.db").read_text() == "precious"


@pytest.mark.parametrize(
    ("target", "words"), [("none/safe.db", "No such file"), ("data", "exists already"), ("file/safe.db", "Not a dir")]
)
async def test_a_place_that_will_not_do_is_one_sentence(path: Path, tmp_path: Path, target: str, words: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=words) as found:
        back_up(path, tmp_path / target)
    assert "\n" not in str(found.value)


async def test_a_backup_of_nothing_is_a_sentence_and_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no database at"):
        back_up(tmp_path / "shopdesk.db", tmp_path / "safe.db")
    assert entries(tmp_path) == []


async def test_a_damaged_database_gives_no_backup(path: Path, tmp_path: Path) -> None:
    damage(path)
    with pytest.raises(StorageError, match="damaged"):
        back_up(path, tmp_path / "safe.db")
    assert not (tmp_path / "safe.db").exists()
    assert entries(tmp_path) == ["data"]


async def test_a_backup_that_is_no_longer_wanted_leaves_nothing(tmp_path: Path) -> None:
    path = await shop_with(tmp_path / "shopdesk.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "CREATE TABLE large AS WITH n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n LIMIT 400000) SELECT * FROM n"
        )
    with pytest.raises(StorageError, match="interrupted"):
        back_up(path, tmp_path / "safe.db", wanted=lambda: False)
    assert entries(tmp_path) == ["shopdesk.db"]


async def test_restore_brings_back_the_backup_and_keeps_what_was_there(path: Path, tmp_path: Path) -> None:
    back_up(path, tmp_path / "safe.db")
    await shop_with(path, "một", "hai", "ba")
    done = restore(path, tmp_path / "safe.db", at=NOON)
    assert texts(path) == ["một", "hai"]
    assert done.kept == path.with_name("shopdesk-before-restore-20261120-120000.db")
    assert texts(done.kept) == ["một", "hai", "ba"]
    assert done.messages == 2
    assert texts(tmp_path / "safe.db") == ["một", "hai"]
    await (await Database.open(path)).close()


async def test_what_a_killed_program_left_in_its_log_is_kept_too(path: Path, tmp_path: Path) -> None:
    back_up(path, tmp_path / "safe.db")
    database = await Database.open(path)
    await Messages(database).receive(message("nur im Protokoll", 3), at=NOON)
    # As a kill leaves them: the log is not folded back.
    for end in ("", "-wal"):
        (tmp_path / f"shopdesk.db{end}").write_bytes(path.with_name(f"shopdesk.db{end}").read_bytes())
    await database.close()
    done = restore(tmp_path / "shopdesk.db", tmp_path / "safe.db", at=NOON)
    assert done.kept
    assert texts(done.kept) == ["một", "hai", "nur im Protokoll"]
    assert texts(tmp_path / "shopdesk.db") == ["một", "hai"]


async def test_a_damaged_database_is_kept_as_it_is(path: Path, tmp_path: Path) -> None:
    back_up(path, tmp_path / "safe.db")
    damage(path)
    rubbish = content(path)
    done = restore(path, tmp_path / "safe.db", at=NOON)
    assert texts(path) == ["một", "hai"]
    assert done.kept
    assert content(done.kept) == rubbish


async def test_restore_where_there_is_no_database_yet(path: Path, tmp_path: Path) -> None:
    back_up(path, tmp_path / "safe.db")
    done = restore(tmp_path / "new" / "shopdesk.db", tmp_path / "safe.db", at=NOON)
    assert done.kept is None
    assert texts(tmp_path / "new" / "shopdesk.db") == ["một", "hai"]


async def test_the_log_of_a_database_that_was_removed_does_not_get_into_the_backup(path: Path, tmp_path: Path) -> None:
    back_up(path, tmp_path / "safe.db")
    database = await Database.open(path)
    await Messages(database).receive(message("nur im Protokoll", 3), at=NOON)
    log = tmp_path / "shopdesk.db-wal"
    log.write_bytes(path.with_name("shopdesk.db-wal").read_bytes())
    await database.close()
    done = restore(tmp_path / "shopdesk.db", tmp_path / "safe.db", at=NOON)
    assert done.kept is None
    assert texts(tmp_path / "shopdesk.db") == ["một", "hai"]
    assert (tmp_path / "shopdesk-before-restore-20261120-120000.db-wal").exists()


async def test_nothing_is_restored_while_a_program_serves(path: Path, tmp_path: Path) -> None:
    back_up(path, tmp_path / "safe.db")
    await shop_with(path, "một", "hai", "ba")
    with locked(path), pytest.raises(StorageError, match="Stop that one first"):
        restore(path, tmp_path / "safe.db", at=NOON)
    assert texts(path) == ["một", "hai", "ba"]


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    before = path.read_bytes()
    yield
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*before*"))
    assert not list(path.parent.glob("*.partial"))


async def test_a_file_that_is_no_backup_changes_nothing(path: Path, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all " * 500)
    (tmp_path / "empty.db").touch()
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
    back_up(path, tmp_path / "newer.db")
    with closing(sqlite3.connect(tmp_path / "newer.db")) as db:
        db.execute("PRAGMA user_version=999")
    back_up(path, tmp_path / "damaged.db")
    damage(tmp_path / "damaged.db")
    cases = {
        "none.db": "There is no backup",
        "text.db": "not a database",
        "empty.db": "not one of Shopdesk's",
        "other.db": "not one of Shopdesk's",
        "newer.db": "written by a newer Shopdesk",
        "damaged.db": "is no good",
        "data/shopdesk.db": "is the database itself",
        "data": "There is no backup",
    }
    for name, words in cases.items():
        with unchanged(path), pytest.raises(StorageError, match=words) as found:
            restore(path, tmp_path / name, at=NOON)
        assert "\n" not in str(found.value)


async def test_a_damaged_database_is_not_opened_and_its_newest_good_backup_is_named(path: Path) -> None:
    folder = path.parent / "backups"
    folder.mkdir()
    for day in (18, 19, 20):
        back_up(path, folder / f"shopdesk-202611{day}-030000.db")
    damage(folder / "shopdesk-20261120-030000.db")
    (folder / "shopdesk-20261121-notes.db").write_text("not ours")
    damage(path)
    rubbish = content(path)
    with pytest.raises(StorageError, match="is damaged or no database") as found:
        await Database.open(path)
    assert f"shopdesk restore {folder}/shopdesk-20261119-030000.db" in str(found.value)
    assert "\n" not in str(found.value)
    assert content(path) == rubbish
    restore(path, folder / "shopdesk-20261119-030000.db", at=NOON)
    assert texts(path) == ["một", "hai"]
    assert [bool(one.fault) for one in listed(path)] == [True, False, False]


@pytest.mark.parametrize("cut", [0, 100, 4096, 20_000])
async def test_a_database_that_was_cut_off_is_not_taken_for_a_new_one(path: Path, cut: int) -> None:
    (path.parent / "backups").mkdir()
    back_up(path, path.parent / "backups" / name_at(NOON))
    os.truncate(path, cut)
    with pytest.raises(StorageError, match=r"shopdesk restore .*shopdesk-20261120-120000\.db"):
        await Database.open(path)
    assert len(content(path)) == cut


async def test_the_last_room_on_the_disk_is_not_for_backups(path: Path, tmp_path: Path) -> None:
    os.truncate(path, shutil.disk_usage(tmp_path).free)  # takes no room by itself
    with pytest.raises(StorageFull, match="MB of room"):
        must_have_room(path, tmp_path)


class Days:
    """A program that runs for days in no time: its clock moves when it sleeps, the wall clock jumps as it is told."""

    def __init__(self, database: Path, *, keep: int, jumps: dict[int, timedelta] | None = None) -> None:
        self.slept: list[float] = []
        self.at = NOON
        self._jumps = jumps or {}
        self._enough = asyncio.Event()
        self._most = 0
        self.daily = DailyBackup(database, keep=keep, now=lambda: self.at, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) > self._most:
            self._enough.set()
            await asyncio.Event().wait()
        self.at += timedelta(seconds=seconds) + self._jumps.get(len(self.slept), timedelta())

    async def pass_by(self, sleeps: int) -> None:
        self._most = sleeps
        task = asyncio.create_task(self.daily.run())
        async with asyncio.timeout(20):
            await asyncio.wait(
                [task, waiting := asyncio.create_task(self._enough.wait())], return_when="FIRST_COMPLETED"
            )
        for one in (task, waiting):
            one.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


def names(path: Path) -> list[str]:
    return [backup.name for _, backup in backups(path)]


async def test_a_backup_is_made_every_day_and_the_newest_are_kept(path: Path) -> None:
    days = Days(path, keep=3)
    await days.pass_by(5)
    assert days.slept == [10.0] + [86400.0] * 5
    assert names(path) == [f"shopdesk-202611{day}-120010.db" for day in (24, 23, 22)]
    assert texts(backups(path)[0][1]) == ["một", "hai"]
    assert (path.parent / "backups").stat().st_mode & 0o077 == 0


async def test_after_a_restart_the_next_is_made_when_the_newest_is_a_day_old(path: Path) -> None:
    (path.parent / "backups").mkdir()
    back_up(path, path.parent / "backups" / name_at(NOON - timedelta(hours=20)))
    days = Days(path, keep=3)
    await days.pass_by(1)
    assert days.slept[0] == 4 * 3600


@pytest.mark.parametrize("hours", [1, -1, 24 * 400])
async def test_a_clock_that_jumps_changes_nothing(path: Path, hours: int) -> None:
    days = Days(path, keep=2, jumps={2: timedelta(hours=hours)})
    await days.pass_by(5)
    assert days.slept == [10.0] + [86400.0] * 5
    assert len(names(path)) == 2


async def test_backups_from_the_future_are_no_reason_to_make_none_and_never_cost_the_newest(path: Path) -> None:
    (path.parent / "backups").mkdir()
    back_up(path, path.parent / "backups" / name_at(NOON + timedelta(days=900)))
    days = Days(path, keep=1)
    await days.pass_by(2)
    assert names(path) == ["shopdesk-20290508-120000.db", "shopdesk-20261121-120010.db"]


async def test_a_backup_that_fails_is_one_line_and_made_an_hour_later(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (path.parent / "backups").write_text("a file in the place of the folder")
    days = Days(path, keep=3)
    await days.pass_by(1)
    assert days.slept == [10.0, 3600.0]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "tried again in an hour" in record.message
    assert record.exc_info is None


async def test_what_a_killed_backup_left_is_cleared_away(path: Path) -> None:
    (path.parent / "backups").mkdir()
    (path.parent / "backups" / f"{name_at(NOON)}.partial").write_text("half")
    await Days(path, keep=3).pass_by(1)
    assert entries(path.parent / "backups") == ["shopdesk-20261120-120010.db"]


async def test_no_backups_are_made_when_none_are_to_be_kept(path: Path) -> None:
    await DailyBackup(path, keep=0).run()
    assert not (path.parent / "backups").exists()


async def test_a_backup_is_looked_at_as_a_whole(path: Path, tmp_path: Path) -> None:
    back_up(path, tmp_path / "safe.db")
    assert look_at(tmp_path / "safe.db").messages == 2
    damage(tmp_path / "safe.db")
    with pytest.raises(StorageError, match="is no good"):
        await asyncio.to_thread(partial(look_at, tmp_path / "safe.db"))

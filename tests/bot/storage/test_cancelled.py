"""A task may be cancelled wherever it waits: every method of the storage then has done its whole work or none of it."""

import asyncio
import importlib
import inspect
import itertools
import pkgutil
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import closing, suppress
from datetime import UTC
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

import bot.storage
from bot.chat import Address, Attachment, MessageRef, Source, UnreadableUpdate
from bot.storage.asked import Asked
from bot.storage.backup import backups
from bot.storage.bookmarks import StoredBookmarks
from bot.storage.canaries import Canaries, Plan
from bot.storage.daily import DailyBackup
from bot.storage.database import Database
from bot.storage.messages import Messages
from bot.storage.outbox import Outbox, reply_key
from bot.storage.policies import Considered, PolicyVersions
from bot.storage.reading import ReadOnlyDatabase, is_current
from bot.storage.spending import SpentToday
from bot.storage.switches import Switches, Turned
from bot.storage.turns import Answer, Turns
from tests.bot.storage.interrupted import MOMENTS, Moment, interrupt
from tests.words import LAN, NOON, message

_MOST = 50
ANSWER = Answer(
    asked="áo này?",
    role="customer",
    text="Dạ còn ạ.",
    outcome="complete",
    reply_key=reply_key(1),
    language="vi",
    preface="Xin lỗi ạ.",
    hands_over=True,
    sources=(Source("doi-tra#1", "Đổi trả", "Phí"),),
)
PLAN = Plan("model", "a:neu", "a:alt", "salt", (10, 100), None)

Call = Callable[[Database], Coroutine[Any, Any, object]]


async def furnish(database: Database) -> None:
    """Something of everything: two messages that wait, one with a picture, sends on record, a version that is live."""
    messages, outbox, versions = Messages(database), Outbox(database), PolicyVersions(database)
    await messages.receive(message("áo này?", attachments=(Attachment("photo", "file-1"),)), at=NOON)
    await messages.receive(message("còn không?", 2), at=NOON)
    await messages.take_up([1])
    await outbox.sending(reply_key(1), LAN, doubles=True)
    await outbox.sent(reply_key(1), MessageRef(LAN, "7"))
    await outbox.sending(f"{reply_key(1)}/1", LAN, doubles=True)
    await StoredBookmarks(database, "discord").keep({"1": "10", "2": "20"})
    await Canaries(database).start(PLAN, percent=10, at=NOON, who="Mai", why="mới")
    await versions.store({"a.md": "# Một"}, hash="a", at=NOON, who="Mai", why="đầu tiên")
    await versions.activate("a", at=NOON, who="Mai", why="đầu tiên")
    await Canaries(database).start(PLAN, percent=10, at=NOON, who="Mai", why="mới")
    await versions.store({"a.md": "# Hai"}, hash="b", at=NOON, who="Mai", why="mới")


async def store(database: Database) -> None:
    conversation, waiting = await Messages(database).waiting(1)
    await Turns(database).store(conversation.id, waiting, ANSWER, at=NOON)


async def cover(database: Database) -> None:
    conversation, waiting = await Messages(database).waiting(1)
    await Turns(database).cover(conversation.id, waiting, at=NOON)


async def close(database: Database) -> None:
    await Messages(database).close((await Messages(database).waiting(1))[1], at=NOON)


async def start_afresh(database: Database) -> None:
    await Messages(database).start_afresh(1, after=(await Messages(database).waiting(1))[1][-1])


async def history(database: Database) -> None:
    await Turns(database).history((await Messages(database).waiting(1))[0])


async def go_on(database: Database) -> None:
    (canary,) = await Canaries(database).last()
    await Canaries(database).step(canary, "promoted", 100, at=NOON, who="Mai", why="tốt")


def rows(db: sqlite3.Connection) -> list[Any]:
    return db.execute("SELECT * FROM inbox").fetchall()


def two_writes(db: sqlite3.Connection) -> None:
    db.execute("UPDATE conversations SET language = 'en'")
    db.execute("UPDATE inbox SET tries = 9")


CALLS: dict[str, Call] = {
    "Asked.gaps": lambda db: Asked(db).gaps(None, limit=5),
    "Asked.known_sections": lambda db: Asked(db).known_sections(),
    "Asked.relied_on": lambda db: Asked(db).relied_on(["vi/returns"], None),
    "Asked.questions": lambda db: Asked(db).questions(5),
    "Canaries.last": lambda db: Canaries(db).last(5),
    "Canaries.start": lambda db: Canaries(db).start(PLAN, percent=10, at=NOON, who="Mai", why="nữa"),
    "Canaries.step": go_on,
    "Canaries.turns": lambda db: Canaries(db).turns(None, behind=0, limit=5),
    "Messages.receive": lambda db: Messages(db).receive(
        message("ba", 3, attachments=(Attachment("photo", "x"),)), at=NOON
    ),
    "Messages.park": lambda db: Messages(db).park(UnreadableUpdate("telegram", "9", "{}", "lạ"), at=NOON),
    "Messages.conversations_waiting": lambda db: Messages(db).conversations_waiting(["shop"]),
    "Messages.take_up": lambda db: Messages(db).take_up([1]),
    "Messages.give_back": lambda db: Messages(db).give_back([1]),
    "Messages.waiting": lambda db: Messages(db).waiting(1),
    "Messages.close": close,
    "Messages.start_afresh": start_afresh,
    "Messages.keep_start": lambda db: Messages(db).keep_start(1, "khuyen-mai"),
    "Messages.attachment": lambda db: Messages(db).attachment(1, 0),
    "Messages.keep_attachment": lambda db: Messages(db).keep_attachment(1, 0, b"\xff\xd8"),
    "Outbox.sending": lambda db: Outbox(db).sending(f"{reply_key(2)}/0", Address("shop", "lan", "5"), doubles=False),
    "Outbox.unsent": lambda db: Outbox(db).unsent(f"{reply_key(1)}/1"),
    "Outbox.sent": lambda db: Outbox(db).sent(f"{reply_key(1)}/1", MessageRef(LAN, "8")),
    "PolicyVersions.store": lambda db: PolicyVersions(db).store(
        {"b.md": "# Ba", "c.md": "# Bốn"}, hash="c", at=NOON, who="Mai", why="nữa"
    ),
    "PolicyVersions.activate": lambda db: PolicyVersions(db).activate("b", at=NOON, who="Mai", why="mới"),
    "PolicyVersions.active": lambda db: PolicyVersions(db).active(),
    "PolicyVersions.versions": lambda db: PolicyVersions(db).versions(),
    "PolicyVersions.files": lambda db: PolicyVersions(db).files("a"),
    "PolicyVersions.consider": lambda db: PolicyVersions(db).consider(Considered("b", NOON, "refused")),
    "PolicyVersions.hashes": lambda db: PolicyVersions(db).hashes(),
    "PolicyVersions.activations": lambda db: PolicyVersions(db).activations(),
    "PolicyVersions.last_considered": lambda db: PolicyVersions(db).last_considered(),
    "SpentToday.load": lambda db: SpentToday(db, UTC).load(),
    "Switches.last": lambda db: Switches(db).last("model"),
    "Switches.turn": lambda db: Switches(db).turn("model", Turned(False, "Mai", "tắt", NOON)),
    "StoredBookmarks.load": lambda db: StoredBookmarks(db, "discord").load(),
    "StoredBookmarks.keep": lambda db: StoredBookmarks(db, "discord").keep({"1": "11", "2": None, "3": "30"}),
    "Turns.history": history,
    "Turns.store": store,
    "Turns.cover": cover,
    "Turns.transcript": lambda db: Turns(db).transcript(LAN),
    "Database.read": lambda db: db.read(rows),
    "Database.write": lambda db: db.write(two_writes),
    "ReadOnlyDatabase.read": lambda db: ReadOnlyDatabase(db.path).read(rows),
    "is_current": lambda db: is_current(db.path),
}
WITH_A_TEST_OF_THEIR_OWN = {"Database.open", "Database.close", "DailyBackup.run"}
NEVER_DO_ANYTHING = {"ReadOnlyDatabase.write", "ReadOnlyDatabase.close"}
READS = {
    *("Asked.gaps", "Asked.known_sections", "Asked.relied_on", "Asked.questions"),
    *("Messages.conversations_waiting", "Messages.waiting", "Messages.attachment", "Turns.history", "Turns.transcript"),
    *("PolicyVersions.active", "PolicyVersions.versions", "PolicyVersions.files", "PolicyVersions.hashes"),
    *("PolicyVersions.activations", "PolicyVersions.last_considered"),
    *("SpentToday.load", "Switches.last", "Canaries.last", "Canaries.turns"),
    *("StoredBookmarks.load", "Database.read", "ReadOnlyDatabase.read", "is_current"),
}


def methods() -> Iterator[str]:
    """Every coroutine that somebody outside may call."""
    for module in pkgutil.walk_packages(bot.storage.__path__, "bot.storage."):
        found = importlib.import_module(module.name)
        for name, value in vars(found).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.name:
                continue
            if inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value):
                yield name
            elif inspect.isclass(value):
                for word, member in vars(value).items():
                    work = member.__func__ if isinstance(member, classmethod | staticmethod) else member
                    if not word.startswith("_") and (
                        inspect.iscoroutinefunction(work) or inspect.isasyncgenfunction(work)
                    ):
                        yield f"{name}.{word}"


def test_no_method_of_the_storage_is_left_out() -> None:
    assert set(methods()) == CALLS.keys() | WITH_A_TEST_OF_THEIR_OWN | NEVER_DO_ANYTHING


@pytest.fixture
async def furnished(tmp_path: Path) -> Path:
    """A database file with something of everything in it, closed."""
    database = await Database.open(tmp_path / "furnished.db")
    await furnish(database)
    await database.close()
    return database.path


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, without the moments at which sends began: nobody hands those in."""
    with closing(sqlite3.connect(path)) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        found = {}
        for name in names:
            cursor = db.execute(f'SELECT * FROM "{name}"')
            kept = [
                number for number, column in enumerate(cursor.description) if (name, column[0]) != ("outbox", "sent_at")
            ]
            found[name] = [tuple(row[number] for number in kept) for row in cursor]
        return found


def is_sound(path: Path) -> bool:
    """Whether the file is whole, and nobody has left a transaction open in it."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
        checks = [db.execute("PRAGMA integrity_check").fetchall(), db.execute("PRAGMA foreign_key_check").fetchall()]
        return checks == [[("ok",)], []]


async def at_every_suspension(one: Callable[[int, Moment], Awaitable[bool]]) -> int:
    """Play it, cancelled at suspension 0, 1, 2 … in every way, until it ends before. How many there are."""
    for at in range(_MOST):
        for moment in MOMENTS:
            if not await one(at, moment):
                return at
    raise AssertionError(f"it waits more than {_MOST} times")


@pytest.mark.parametrize("name", CALLS)
async def test_a_cancelled_call_has_done_all_or_nothing_and_the_next_one_works(
    name: str, furnished: Path, tmp_path: Path
) -> None:
    before = contents(furnished)
    numbers = itertools.count()

    async def opened() -> Database:
        return await Database.open(Path(copyfile(furnished, tmp_path / f"{next(numbers)}.db")))

    database = await opened()
    await CALLS[name](database)
    await database.close()
    after = contents(database.path)
    assert (before == after) == (name in READS)

    async def cancelled(at: int, moment: Moment) -> bool:
        database = await opened()
        came = await interrupt(CALLS[name](database), at, moment)
        bookmarks = StoredBookmarks(database, "later")
        await bookmarks.keep({})  # stands behind it in the queue: what was begun is done
        assert contents(database.path) in ([before, after] if came else [after])
        assert is_sound(database.path)
        await bookmarks.keep({"nơi": "1"})
        assert await bookmarks.load() == {"nơi": "1"}
        await database.close()
        return came

    assert await at_every_suspension(cancelled) > 0


def threads() -> int:
    return sum("_connection_worker_thread" in thread.name for thread in threading.enumerate())


async def test_a_cancelled_opening_leaves_no_thread_and_a_file_that_opens(tmp_path: Path) -> None:
    numbers = itertools.count()

    async def cancelled(at: int, moment: Moment) -> bool:
        path = tmp_path / f"{next(numbers)}.db"
        opened: list[Database] = []

        async def opening() -> None:
            opened.append(await Database.open(path))

        came = await interrupt(opening(), at, moment)
        for database in opened:
            await database.close()
        assert threads() == 0
        again = await Database.open(path)
        await furnish(again)
        assert is_sound(path)
        await again.close()
        return came

    assert await at_every_suspension(cancelled) > 3


async def test_a_cancelled_closing_still_closes_with_all_that_was_handed_in(furnished: Path, tmp_path: Path) -> None:
    numbers = itertools.count()

    async def cancelled(at: int, moment: Moment) -> bool:
        database = await Database.open(Path(copyfile(furnished, tmp_path / f"{next(numbers)}.db")))
        writing = asyncio.create_task(database.write(two_writes))
        await asyncio.sleep(0)
        came = await interrupt(database.close(), at, moment)
        await database.close()
        await writing
        assert threads() == 0
        assert is_sound(database.path)
        assert contents(database.path)["inbox"] != contents(furnished)["inbox"]
        return came

    assert await at_every_suspension(cancelled) > 0


async def test_a_cancelled_backup_leaves_no_half_copy_that_counts(furnished: Path) -> None:
    async def nap(seconds: float) -> None:
        if seconds > 3600:
            raise Over

    async def cancelled(at: int, moment: Moment) -> bool:
        daily = DailyBackup(furnished, keep=50, now=lambda: NOON, sleep=nap)

        async def run() -> None:
            with suppress(Over):
                await daily.run()

        came = await interrupt(run(), at, moment)
        for _, backup in backups(furnished):
            assert is_sound(backup)
        assert is_sound(furnished)
        for _, backup in backups(furnished):
            backup.unlink()
        return came

    assert await at_every_suspension(cancelled) > 0


class Over(Exception):
    """A day would pass now."""

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
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

import bot.storage
from bot.chat import Address, Attachment, File, MessageRef, Source, UnreadableUpdate
from bot.desk import Action, Handover, Person, Post
from bot.storage.asked import Asked
from bot.storage.backup import backups
from bot.storage.bookmarks import StoredBookmarks
from bot.storage.canaries import Canaries, Plan
from bot.storage.casefiles import CaseFiles
from bot.storage.cases import Case, Cases
from bot.storage.daily import DailyBackup
from bot.storage.database import Database
from bot.storage.errands import Errand, Errands
from bot.storage.messages import Messages, StoredMessage
from bot.storage.outbox import Outbox, reply_key
from bot.storage.policies import Considered, PolicyVersions
from bot.storage.reading import ReadOnlyDatabase, is_current
from bot.storage.relays import Recipient, Relays, Said
from bot.storage.shelf import StoredShelf
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
    handover=Handover("late"),
    sources=(Source("doi-tra#1", "Đổi trả", "Phí"),),
)
PLAN = Plan("model", "a:neu", "a:alt", "salt", (10, 100), None)

POST = Address("desk", "post1")
ACTION = Action("a1", "take", Person("7", "Mai"), POST)

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
    await StoredShelf(database, "web", token=lambda: "t", now=lambda: _AT).put("1", "k", [File("a", "a/b", b"a")])
    await versions.store({"a.md": "# Một"}, hash="a", at=NOON, who="Mai", why="đầu tiên")
    await versions.activate("a", at=NOON, who="Mai", why="đầu tiên")
    await Canaries(database).start(PLAN, percent=10, at=NOON, who="Mai", why="mới")
    await versions.store({"a.md": "# Hai"}, hash="b", at=NOON, who="Mai", why="mới")
    await furnish_desk(database)


async def furnish_desk(database: Database) -> None:
    """A case with its post, something to show there and something to tell, and words of staff that wait."""
    cases = Cases(database)
    case = await cases.open(1, "asked", "đổi áo", at=NOON)
    await cases.keep_post(1, Post(POST, "5"))
    errands = [Errand("message", 1, (1,)), Errand("words", text="ghi chú"), Errand("tell", text="đã nhận")]
    await cases.change(case.id, lambda one: one, at=NOON, then=lambda before, after: errands)
    first = (await Errands(database).at_desk(1))[0]
    await Errands(database).done(first, at=NOON, places={0: MessageRef(POST, "61")})
    await Messages(database).receive(
        message("Dạ", 1, at=POST, role="staff", sender_id="7", message_id="s1", hangs_on="61"), at=NOON
    )
    await StoredShelf(database, "web").put("lan", "k", [File("a.pdf", "application/pdf", b"pdf")])


async def staffs_words(database: Database) -> StoredMessage:
    return (await Messages(database).waiting(2))[1][0]


async def case_of(database: Database) -> Case:
    case = await Cases(database).newest(1)
    assert case is not None
    return case


async def recipient_of(database: Database) -> Recipient:
    to = await Relays(database).recipient(POST)
    assert to is not None
    return to


async def show_staff(database: Database) -> None:
    _, waiting = await Messages(database).waiting(1)
    await Relays(database).show_staff(await case_of(database), waiting, heard, at=NOON)


async def passed_on(database: Database) -> None:
    _, waiting = await Messages(database).waiting(1)
    case = await case_of(database)
    await Relays(database).passed_on(case, waiting, words="áo này?", told="Đã chuyển ạ.", at=NOON)


async def delivered(database: Database) -> None:
    said = Said("Dạ", "**Mai**", {0: MessageRef(LAN, "9")})
    stored, to = await staffs_words(database), await recipient_of(database)
    await Relays(database).delivered(stored, to, said, [Errand("mark", stored.id, author="delivered")], at=NOON)


async def hang_at_desk(database: Database) -> None:
    _, waiting = await Messages(database).waiting(1)
    stored = replace(waiting[0], message=replace(waiting[0].message, hangs_on="lan:1"))
    assert await Relays(database).hang_at_desk(stored, POST) == "61"


async def hang_for_customer(database: Database) -> None:
    await Relays(database).hang_for_customer(await recipient_of(database), "61")


async def said(database: Database) -> None:
    await Relays(database).said(await staffs_words(database))


async def is_withdrawn(database: Database) -> None:
    assert not await Relays(database).is_withdrawn(await staffs_words(database))


async def done(database: Database) -> None:
    (errand,) = await Errands(database).at_desk(1)
    await Errands(database).done(errand, at=NOON, then=[Errand("tell", text="nữa")])


async def told(database: Database) -> None:
    (errand,) = await Errands(database).for_customer(1)
    await Errands(database).told(errand, key="reply-tell-3", at=NOON)


async def is_shown(database: Database) -> None:
    await Cases(database).is_shown(await case_of(database))


def heard(case: Case) -> Case:
    return replace(case, labels=("mới",))


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
    "StoredShelf.put": lambda db: _shelf(db).put("1", "k2", [File("a", "text/plain", b"a")]),
    "StoredShelf.of": lambda db: _shelf(db).of("1"),
    "StoredShelf.take": lambda db: _shelf(db).take("1", "t"),
    "StoredShelf.clear": lambda db: _shelf(db).clear("1", "k"),
    "SpentToday.load": lambda db: SpentToday(db, UTC).load(),
    "Switches.last": lambda db: Switches(db).last("model"),
    "Switches.turn": lambda db: Switches(db).turn("model", Turned(False, "Mai", "tắt", NOON)),
    "StoredBookmarks.load": lambda db: StoredBookmarks(db, "discord").load(),
    "StoredBookmarks.keep": lambda db: StoredBookmarks(db, "discord").keep({"1": "11", "2": None, "3": "30"}),
    "Turns.history": history,
    "Turns.store": store,
    "Turns.cover": cover,
    "Turns.transcript": lambda db: Turns(db).transcript(LAN),
    "Cases.open": lambda db: Cases(db).open(2, "taken", "", at=NOON),
    "Cases.newest": lambda db: Cases(db).newest(1),
    "Cases.all_of": lambda db: Cases(db).all_of(1),
    "Cases.opened": lambda db: Cases(db).opened(),
    "Cases.change": lambda db: Cases(db).change(
        1, heard, at=NOON, action=ACTION, then=lambda before, after: [Errand("words", text="x")]
    ),
    "Cases.take_over": lambda db: Cases(db).take_over(2, heard, at=NOON, action=ACTION),
    "Cases.block": lambda db: Cases(db).block(1, True, at=NOON, action=ACTION),
    "Cases.is_shown": is_shown,
    "Cases.post_of": lambda db: Cases(db).post_of(1),
    "Cases.conversation_at": lambda db: Cases(db).conversation_at(POST),
    "Cases.posts_lost": lambda db: Cases(db).posts_lost(1),
    "Cases.keep_post": lambda db: Cases(db).keep_post(1, Post(POST, "6")),
    "Cases.lose_post": lambda db: Cases(db).lose_post(1, Post(POST, "5")),
    "CaseFiles.of": lambda db: CaseFiles(db).of(1),
    "Errands.to_show": lambda db: Errands(db).to_show(),
    "Errands.to_tell": lambda db: Errands(db).to_tell(),
    "Errands.at_desk": lambda db: Errands(db).at_desk(1),
    "Errands.for_customer": lambda db: Errands(db).for_customer(1),
    "Errands.messages": lambda db: Errands(db).messages([1, 2]),
    "Errands.shown_with": lambda db: Errands(db).shown_with(1),
    "Errands.places": lambda db: Errands(db).places(1),
    "Errands.sent": lambda db: Errands(db).sent(reply_key(1)),
    "Errands.customer": lambda db: Errands(db).customer(1),
    "Errands.done": done,
    "Errands.told": told,
    "Relays.show_staff": show_staff,
    "Relays.passed_on": passed_on,
    "Relays.recipient": lambda db: Relays(db).recipient(POST),
    "Relays.said": said,
    "Relays.is_withdrawn": is_withdrawn,
    "Relays.take_over": lambda db: Relays(db).take_over(1, heard, at=NOON),
    "Relays.delivered": delivered,
    "Relays.hang_for_customer": hang_for_customer,
    "Relays.hang_at_desk": hang_at_desk,
    "Database.read": lambda db: db.read(rows),
    "Database.write": lambda db: db.write(two_writes),
    "ReadOnlyDatabase.read": lambda db: ReadOnlyDatabase(db.path).read(rows),
    "is_current": lambda db: is_current(db.path),
}
WITH_A_TEST_OF_THEIR_OWN = {"StoredShelf.put", "Database.open", "Database.close", "DailyBackup.run"}
NEVER_DO_ANYTHING = {"ReadOnlyDatabase.write", "ReadOnlyDatabase.close"}
READS = {
    *("Asked.gaps", "Asked.known_sections", "Asked.relied_on", "Asked.questions"),
    *("Messages.conversations_waiting", "Messages.waiting", "Messages.attachment", "Turns.history", "Turns.transcript"),
    *("PolicyVersions.active", "PolicyVersions.versions", "PolicyVersions.files", "PolicyVersions.hashes"),
    *("PolicyVersions.activations", "PolicyVersions.last_considered"),
    *("Cases.newest", "Cases.all_of", "Cases.opened", "Cases.post_of", "Cases.conversation_at", "Cases.posts_lost"),
    *("CaseFiles.of", "Errands.to_show", "Errands.to_tell", "Errands.at_desk", "Errands.for_customer"),
    *("Errands.messages", "Errands.shown_with", "Errands.places", "Errands.sent", "Errands.customer"),
    *("Relays.recipient", "Relays.said", "Relays.is_withdrawn", "Relays.hang_for_customer", "Relays.hang_at_desk"),
    *("StoredShelf.of", "StoredShelf.take"),
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


_AT = datetime(2026, 11, 20, tzinfo=UTC)


def _shelf(database: Database) -> StoredShelf:
    return StoredShelf(database, "web", token=lambda: "t2", now=lambda: _AT)

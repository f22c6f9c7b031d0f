import asyncio
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.chat import Address, MessageRef, UnreadableUpdate
from bot.desk import Handover
from bot.errors import StorageError
from bot.storage.database import Database
from bot.storage.messages import Messages
from bot.storage.outbox import Outbox, reply_key
from bot.storage.stats import Stats, Times, Traffic, stats
from bot.storage.turns import Answer, Timings, Turns
from tests.words import NOON, message

YESTERDAY = NOON - timedelta(hours=25)


class Book:
    """A shop's storage, written day by day."""

    def __init__(self, database: Database) -> None:
        self.path = database.path
        self.database = database
        self.messages, self.turns, self.outbox = Messages(database), Turns(database), Outbox(database)
        self.number = 0

    async def ask(self, chat: str = "lan", *, at: datetime = NOON, platform: str = "shop", **more: object) -> int:
        """A message; its conversation."""
        self.number += 1
        asked = message("hi", self.number, at=Address(platform, chat), **more)
        return (await self.messages.receive(asked, at=at)).conversation_id

    async def answer(self, conversation_id: int, *, at: datetime = NOON, **more: object) -> None:
        _, waiting = await self.messages.waiting(conversation_id)
        values: dict[str, object] = {
            "asked": "hi",
            "role": "customer",
            "text": "Dạ",
            "outcome": "complete",
            "reply_key": reply_key(waiting[0].id),
            "language": "vi",
        }
        await self.turns.store(conversation_id, waiting, Answer(**(values | more)), at=at)  # type: ignore[arg-type]

    async def count(self, *, hours: int | None = 24) -> Stats:
        since = None if hours is None else NOON - timedelta(hours=hours)
        return await asyncio.to_thread(stats, self.path, since=since, at=NOON)


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database)


async def test_messages_are_counted_by_platform_and_by_what_became_of_them(book: Book) -> None:
    await book.answer(await book.ask())
    await book.ask("minh")
    await book.ask(command="stop")
    await book.answer(await book.ask("web", platform="web"))
    await book.answer(await book.ask("old", at=YESTERDAY), at=YESTERDAY)
    await book.messages.park(UnreadableUpdate("shop", "1", "{}", "?"), at=NOON)
    day, ever = await book.count(), await book.count(hours=None)
    assert day.platforms == (Traffic("shop", 3, 1, 1, 1, 1), Traffic("web", 1, 1, 0, 0, 0))
    assert ever.platforms[0] == Traffic("shop", 4, 2, 1, 1, 1)
    assert (day.conversations, ever.conversations) == (3, 4)


async def test_what_waits_counts_however_old_it_is(book: Book) -> None:
    await book.ask(at=YESTERDAY)
    found = await book.count()
    assert found.platforms == (Traffic("shop", 0, 0, 0, 1, 0),)
    assert found.waiting_since == YESTERDAY


async def test_turns_are_counted_by_how_they_ended(book: Book) -> None:
    for outcome in ("complete", "complete", "failed"):
        await book.answer(await book.ask(), outcome=outcome)
    await book.answer(await book.ask(), outcome="sentence", handover=Handover("late"))
    found = await book.count()
    assert list(found.outcomes.items()) == [("complete", 2), ("failed", 1), ("sentence", 1)]
    assert found.waiting_for_person == 1


async def test_a_doubtful_send_counts_when_its_reply_is_finished(book: Book) -> None:
    conversation = await book.ask()
    _, (stored,) = await book.messages.waiting(conversation)
    key, lan = reply_key(stored.id), Address("shop", "lan")
    await book.outbox.sending(key, lan, doubles=True)
    await book.outbox.sending(key, lan, doubles=True)
    await book.outbox.sent(key, MessageRef(lan, "1"))
    assert (await book.count(hours=None)).doubtful_sends == 0
    await book.answer(conversation)
    assert (await book.count(hours=None)).doubtful_sends == 1


async def test_times_are_those_that_half_and_nineteen_of_twenty_answers_kept(book: Book) -> None:
    for number in range(1, 101):
        times = Timings(request_ms=number, first_visible_ms=10 * number, finished_ms=100 * number)
        await book.answer(await book.ask(), timings=times)
    await book.answer(await book.ask(), outcome="sentence", timings=Timings(finished_ms=9_999_999))
    found = await book.count()
    assert found.request == Times(100, 50, 95, 99)
    assert found.first_visible == Times(100, 500, 950, 990)
    assert found.finished == Times(100, 5_000, 9_500, 9_900)


async def test_an_empty_database_counts_nothing(book: Book) -> None:
    found = await book.count()
    assert (found.platforms, found.conversations, found.waiting_since) == ((), 0, None)
    assert found.finished == Times(0, None, None, None)


async def test_counting_neither_waits_for_a_writer_nor_keeps_it_waiting(book: Book) -> None:
    await book.answer(await book.ask())
    with sqlite3.connect(book.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert (await book.count()).conversations == 1
        other.execute("ROLLBACK")
    other.close()


def test_without_a_database_there_is_nothing_to_count(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"There is no database at .*: nothing to count"):
        stats(tmp_path / "shopdesk.db", since=None, at=NOON)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "shopdesk.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageError, match="is damaged or no database"):
        stats(path, since=None, at=NOON)


@pytest.mark.parametrize(("version", "words"), [(1, "an older Shopdesk"), (999, "a newer Shopdesk")])
async def test_a_database_of_another_version_is_not_counted_wrongly(book: Book, version: int, words: str) -> None:
    await book.database.write(lambda db: db.execute(f"PRAGMA user_version={version}").fetchall())
    with pytest.raises(StorageError, match=words):
        await book.count()

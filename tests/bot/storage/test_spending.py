"""What was spent today, whatever the day is for the shop."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.storage.database import Database
from bot.storage.spending import Amount, SpentToday, day_of
from bot.storage.turns import Spent
from tests.bot.storage.test_stats import Book

VIETNAM, BERLIN, SANTIAGO = (ZoneInfo(name) for name in ("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/Santiago"))
NOON = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
"""In Vietnam."""


class Clock:
    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


async def spend(book: Book, chat: str, cost: int, *, at: datetime = NOON) -> int:
    conversation = await book.ask(chat, at=at)
    spent = (Spent("a:x", "key-1", 1, 2, 3, 4, cost), Spent("a:y", "", 10, 0, 0, 0, 1))
    await book.answer(conversation, at=at, spent=spent)
    return conversation


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database)


async def test_a_start_knows_what_was_spent_since_midnight_of_the_shop(book: Book) -> None:
    midnight = NOON - timedelta(hours=12)
    lan = await spend(book, "lan", 100, at=midnight)
    await spend(book, "lan", 100, at=midnight - timedelta(milliseconds=1))
    await spend(book, "lan", 100, at=midnight + timedelta(days=1))
    mai = await spend(book, "mai", 1000)
    await book.answer(await book.ask("hoa"))
    spent = SpentToday(book.database, VIETNAM, Clock())
    await spent.load()
    assert spent.by(lan) == Amount(101, 20)
    assert spent.by(mai) == Amount(1001, 20)
    assert spent.by(99) == Amount()
    assert spent.by_shop() == Amount(1102, 40)


async def test_what_is_added_counts_at_once_and_may_be_taken_back(database: Database) -> None:
    spent = SpentToday(database, VIETNAM, Clock())
    await spent.load()
    spent.add(1, Amount(50, 5))
    spent.add(2, Amount(7, 1))
    spent.add(1, Amount(-20, -2))
    assert (spent.by(1), spent.by(2), spent.by_shop()) == (Amount(30, 3), Amount(7, 1), Amount(37, 4))


async def test_at_midnight_of_the_shop_the_day_begins_with_nothing(database: Database) -> None:
    clock = Clock()
    spent = SpentToday(database, VIETNAM, clock)
    spent.add(1, Amount(50, 5))
    clock.at = NOON + timedelta(hours=12) - timedelta(microseconds=1)
    assert (spent.by(1), spent.day) == (Amount(50, 5), date(2026, 11, 20))
    clock.at = NOON + timedelta(hours=12)
    assert (spent.by(1), spent.by_shop(), spent.day) == (Amount(), Amount(), date(2026, 11, 21))


async def test_a_clock_that_is_set_back_begins_that_day(database: Database) -> None:
    clock = Clock()
    spent = SpentToday(database, VIETNAM, clock)
    spent.add(1, Amount(50, 5))
    clock.at = NOON - timedelta(days=400)
    assert spent.by_shop() == Amount()
    clock.at = NOON
    assert spent.by_shop() == Amount()


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (VIETNAM, date(2026, 11, 20), 24),
        (BERLIN, date(2026, 3, 29), 23),
        (BERLIN, date(2026, 10, 25), 25),
        (SANTIAGO, date(2026, 9, 6), 23),
        (SANTIAGO, date(2026, 4, 4), 25),
    ],
)
def test_a_day_is_as_long_as_it_is_there(zone: ZoneInfo, day: date, hours: int) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
    found, start, end = day_of(noon, zone)
    assert (found, end - start) == (day, timedelta(hours=hours))
    assert day_of(start, zone)[0] == day_of(end - timedelta(microseconds=1), zone)[0] == day
    assert day_of(end, zone)[0] == day + timedelta(days=1)

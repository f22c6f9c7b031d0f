"""What was spent, added up by day, model, key, platform and customer."""

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.storage.costs import TOP, Costs, Today
from bot.storage.database import Database
from bot.storage.spending import Amount
from bot.storage.stats import Stats, stats
from bot.storage.turns import OVER_BUDGET, Spent
from tests.bot.storage.test_stats import Book
from tests.words import NOON

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
HAIKU, LOCAL, GATEWAY = "anthropic:claude-haiku-5-5", "ollama:llama3", "gateway:x"


@pytest.fixture
def book(database: Database) -> Book:
    return Book(database)


async def spend(book: Book, chat: str, *spent: Spent, at: datetime = NOON, **more: object) -> None:
    asked = {name: value for name, value in more.items() if name in ("platform", "role")}
    await book.answer(await book.ask(chat, at=at, **asked), at=at, spent=spent)  # type: ignore[arg-type]


async def counted(book: Book, *, since: datetime | None = None, at: datetime = NOON) -> Stats:
    return await asyncio.to_thread(
        stats, book.path, since=since, at=at, timezone=VIETNAM, is_free=lambda model: model == LOCAL
    )


async def found(book: Book, *, since: datetime | None = None) -> Costs:
    return (await counted(book, since=since)).costs


async def test_each_group_has_its_answers_tokens_and_cost(book: Book) -> None:
    await spend(book, "lan", Spent(HAIKU, "key-1", 1, 2, 3, 4, 100), Spent(GATEWAY, "", 5, 0, 0, 0, 1, 2))
    await spend(book, "lan", Spent(HAIKU, "anthropic key-2", 1, 2, 3, 4, 1_000))
    await spend(book, "mai", Spent(HAIKU, "key-1", 10, 20, 30, 40, 10_000), platform="web")
    costs = await found(book)
    assert (costs.total.answers, costs.total.tokens, costs.total.cost) == (3, 125, 11_101)
    assert [(one.name, one.answers, one.cost) for one in costs.by_model] == [(HAIKU, 3, 11_100), (GATEWAY, 1, 1)]
    assert [(one.name, one.answers, one.cost) for one in costs.by_key] == [
        ("anthropic key-1", 2, 10_100),
        ("anthropic key-2", 1, 1_000),
        ("gateway", 1, 1),
    ]
    assert [(one.name, one.answers) for one in costs.by_platform] == [("web", 1), ("shop", 2)]
    assert [one.name for one in costs.by_customer] == ["web mai Lan", "shop lan Lan"]
    assert costs.by_model[1].estimated_tokens == 2


async def test_days_are_those_of_the_shop(book: Book) -> None:
    midnight = datetime(2026, 11, 19, 17, 0, tzinfo=UTC)
    for minutes, cost in ((-1, 1), (0, 10), (60, 100), (24 * 60, 1_000)):
        await spend(book, "lan", Spent(HAIKU, "", 1, 0, 0, 0, cost), at=midnight + timedelta(minutes=minutes))
    days = [(one.name, one.cost) for one in (await found(book)).by_day]
    assert days == [("2026-11-19", 1), ("2026-11-20", 110), ("2026-11-21", 1_000)]


async def test_only_what_was_spent_since_then_counts(book: Book) -> None:
    await spend(book, "lan", Spent(HAIKU, "", 1, 0, 0, 0, 1), at=NOON - timedelta(days=2))
    await spend(book, "lan", Spent(HAIKU, "", 1, 0, 0, 0, 10))
    assert (await found(book, since=NOON - timedelta(days=1))).total.cost == 10
    assert (await found(book)).total.cost == 11


async def test_no_price_is_told_apart_from_a_price_of_nothing(book: Book) -> None:
    await spend(book, "lan", Spent(LOCAL, "", 7, 1, 0, 0, 0))
    await spend(book, "lan", Spent(GATEWAY, "", 7, 1, 1, 1, 0))
    await spend(book, "lan", Spent("offline", "", 0, 0, 0, 0, 0))
    costs = await found(book)
    assert costs.without_price == ((GATEWAY, 10),)
    assert {one.name: one.unpriced_tokens for one in costs.by_model} == {LOCAL: 0, GATEWAY: 10, "offline": 0}
    assert costs.total.unpriced_tokens == 10


async def test_the_rate_of_the_cache_is_of_what_was_read(book: Book) -> None:
    await spend(book, "lan", Spent(HAIKU, "", 10, 500, 80, 10, 1))
    assert (await found(book)).total.cache_hit_rate == 0.8
    assert (await found(book, since=NOON + timedelta(days=1))).total.cache_hit_rate is None


async def test_of_customers_the_dearest_are_told_and_no_staff(book: Book) -> None:
    for number in range(TOP + 3):
        await spend(book, f"c{number}", Spent(HAIKU, "", 1, 0, 0, 0, number))
    await spend(book, "desk", Spent(HAIKU, "", 1, 0, 0, 0, 1_000), role="staff")
    names = [one.name for one in (await found(book)).by_customer]
    assert names == [f"shop c{number} Lan" for number in range(TOP + 2, 2, -1)]


async def test_today_is_counted_whatever_the_span_is(book: Book) -> None:
    await spend(book, "lan", Spent(HAIKU, "", 1, 2, 3, 4, 100))
    await spend(book, "lan", Spent(HAIKU, "", 1, 2, 3, 4, 100))
    await spend(book, "desk", Spent(HAIKU, "", 1, 0, 0, 0, 7), role="staff")
    await spend(book, "old", Spent(HAIKU, "", 1, 0, 0, 0, 1), at=NOON - timedelta(hours=20))
    await book.answer(await book.ask("mai"), outcome="sentence", stop_reason=OVER_BUDGET)
    today = (await counted(book, since=NOON + timedelta(hours=1))).today
    assert today == Today("2026-11-20", Amount(207, 21), (Amount(200, 20),), 1)


async def test_an_empty_shop_has_spent_nothing(book: Book) -> None:
    costs = await found(book)
    assert (costs.total.answers, costs.total.cost, costs.by_day, costs.without_price) == (0, 0, (), ())

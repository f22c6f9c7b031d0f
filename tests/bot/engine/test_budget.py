"""Who is over the day's budget is told of a person instead of being answered, and no model is asked."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from bot.chat import Address, Attachment
from bot.config import Budgets
from bot.engine.limits import EngineLimits
from bot.llm.base import Billed, Payer, Restarted, ToolCall, Usage
from tests.bot.engine.desk import Desk, opened
from tests.fake_model import Step
from tests.words import eventually

ONE = Decimal("0.000293")
"""Dollars of one usual answer."""
MINH = Address("shop", "minh")
BILL = "SELECT chat_id, cost, stop_reason, outcome FROM turns JOIN conversations ON conversations.id = conversation_id"


def sorry(desk: Desk, key: str = "over_budget", language: str = "vi") -> str:
    return desk.policies.sentence(key, language)


async def test_a_customer_who_is_over_is_told_of_a_person_and_others_are_answered(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(customer_dollars=2 * ONE)) as desk:
        assert [await desk.ask(text) for text in ("một?", "hai?", "ba?")] == ["Dạ vâng.", "Dạ vâng.", sorry(desk)]
        assert len(desk.model.requests) == 2
        assert await desk.rows(f"{BILL} WHERE turns.role = 'assistant'") == [
            ("lan", 293_000, "end", "complete"),
            ("lan", 293_000, "end", "complete"),
            ("lan", None, "over_budget", "sentence"),
        ]
        assert await desk.rows("SELECT mode FROM conversations") == [("waiting",)]
        await desk.write("còn tôi?", at=MINH)
        await desk.answered()
        assert desk.platform.chat("minh") == ["Dạ vâng."]
        assert desk.notices == []


async def test_the_sentence_is_in_the_customers_language(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(customer_tokens=1)) as desk:
        await desk.ask("How long may I return goods?")
        assert await desk.ask("And shoes, how long for those?") == sorry(desk, language="en")


async def test_what_is_written_on_is_covered_by_the_sentence_for_an_hour(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(customer_tokens=100)) as desk:
        await desk.ask("một?")
        for text in ("hai?", "ba?", "bốn?"):
            await desk.ask(text)
        assert desk.platform.chat("lan") == ["Dạ vâng.", sorry(desk)]
        assert await desk.rows("SELECT count(*) FROM inbox WHERE answered_by IS NULL") == [(0,)]
        desk.jump += timedelta(minutes=61)
        await desk.ask("năm?")
        assert desk.platform.chat("lan") == ["Dạ vâng.", sorry(desk), sorry(desk)]
        assert len(desk.model.requests) == 1


async def test_the_next_day_the_customer_is_answered_again(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(customer_tokens=100)) as desk:
        await desk.ask("một?")
        await desk.ask("hai?")
        desk.jump += timedelta(days=1)
        assert await desk.ask("ba?") == "Dạ vâng."


async def test_a_restart_knows_what_was_spent_and_tells_staff_nothing_twice(tmp_path: Path) -> None:
    budgets = Budgets(shop_tokens=200)
    async with opened(tmp_path, budgets=budgets) as desk:
        await desk.ask("một?")
        await desk.ask("hai?")
        assert [notice.words[:4] for notice in desk.notices] == ["The "]
    async with opened(tmp_path, budgets=budgets) as desk:
        desk.numbers = iter(range(10, 20))  # type: ignore[assignment]
        assert await desk.ask("ba?") == sorry(desk)
        assert desk.model.requests == []
        assert desk.notices == []


async def test_staff_are_told_once_at_four_fifths_and_once_at_the_end_and_when_it_is_over(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(shop_tokens=500, shop_dollars=Decimal(100))) as desk:
        for number in range(7):
            await desk.write(f"{number}?", at=Address("shop", f"c{number}"))
            await desk.answered()
        nearly, spent = desk.notices
        assert nearly.words == "80 % of the shop's budget of today is spent: 400 of 500 tokens."
        assert spent.words.startswith("The shop's budget of today is spent: 500 of 500 tokens. No model is asked until")
        assert {(one.kind, one.about, one.is_over) for one in desk.notices} == {("budget", "shop", False)}
        desk.jump += timedelta(days=1)
        assert await desk.ask("hôm sau?") == "Dạ vâng."
        assert [one.is_over for one in desk.notices] == [False, False, True]


async def test_staff_count_into_the_shops_budget_and_not_into_a_customers(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(customer_tokens=1, shop_tokens=200)) as desk:
        assert await desk.ask("đổi trả mấy ngày?", role="staff") == "Dạ vâng."
        assert await desk.ask("phí ship?", role="staff") == "Dạ vâng."
        assert await desk.ask("còn giày?", role="staff") == sorry(desk, "over_budget_staff")
        assert await desk.rows("SELECT mode FROM conversations") == [("bot",)]
        assert await desk.ask("còn áo?", role="staff") == sorry(desk, "over_budget_staff")


async def test_a_command_and_what_no_model_is_asked_about_go_on(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(shop_dollars=Decimal(0))) as desk:
        assert await desk.ask("", command="help") == sorry(desk, "help")
        sticker = (Attachment("sticker", "s"),)
        assert await desk.ask("", attachments=sticker) == sorry(desk, "unsupported_sticker")
        assert await desk.ask("áo còn không?") == sorry(desk)


async def test_a_round_of_tools_is_a_request_of_its_own(tmp_path: Path) -> None:
    calls: list[Step] = ["Để mình tìm.", ToolCall("1", "search_policies", {"query": "đổi trả"})]
    limits = EngineLimits(section_tokens=0)
    async with opened(tmp_path, limits, budgets=Budgets(customer_tokens=150)) as desk:
        desk.model.script = lambda request: calls if len(request.rounds) < 3 else ("Dạ vâng.",)
        assert await desk.ask("đổi trả?") == sorry(desk)
        assert len(desk.model.requests) == 2
        (row,) = await desk.rows("SELECT text, input_tokens, cost, stop_reason, outcome FROM turns WHERE cost NOTNULL")
        assert row == (sorry(desk), 20, 586_000, "over_budget", "sentence")


async def test_a_turn_that_is_begun_anew_is_asked_for_again(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(customer_tokens=1000)) as desk:
        gate = asyncio.Event()
        desk.model.script = lambda request: (Billed(Usage(1000, 1), Payer("scripted")), gate, "Dạ.")
        await desk.write("một?")
        await eventually(lambda: len(desk.model.requests) == 1)
        await desk.write("hai?")
        await desk.answered()
        assert desk.platform.chat("lan") == [sorry(desk)]
        assert len(desk.model.requests) == 1
        assert await desk.rows("SELECT count(*) FROM inbox WHERE answered_by IS NULL") == [(0,)]


async def test_what_runs_counts_as_soon_as_it_is_told_and_the_others_are_refused(tmp_path: Path) -> None:
    """500 customers at once with a budget for ten: those that had begun when it was reached end, no other begins."""
    limits = EngineLimits(streams=20)
    async with opened(tmp_path, limits, budgets=Budgets(shop_tokens=1_000)) as desk:
        for number in range(500):
            await desk.write("áo còn không?", at=Address("shop", f"c{number}"))
        await desk.answered()
        assert len(desk.model.requests) <= 10 + 20
        told = [desk.platform.chat(f"c{number}")[-1] for number in range(500)]
        assert told.count(sorry(desk)) == 500 - len(desk.model.requests)
        assert await desk.rows("SELECT count(*) FROM conversations WHERE mode = 'waiting'") == [
            (told.count(sorry(desk)),)
        ]


async def test_a_model_that_costs_nothing_answers_whatever_was_spent(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(shop_dollars=Decimal(0))) as desk:
        assert desk.budget
        desk.budget._is_free = lambda: True
        assert await desk.ask("một?") == "Dạ vâng."


async def test_what_was_read_until_a_stop_is_on_record_and_counts(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(customer_tokens=1_100)) as desk:
        desk.model.billed, desk.model.script = Usage(1000, 1), lambda request: ("x" * 600, asyncio.Event())
        await desk.write("một?")
        await eventually(lambda: bool(desk.platform.chat("lan")))
        await desk.write("", command="stop")
        await desk.answered()
        spent = "SELECT model, input_tokens, output_tokens, cost, estimated_tokens FROM spendings"
        assert await desk.rows(spent) == [("scripted", 1000, 204, 3_040_000, 203)]
        desk.model.billed, desk.model.script = None, lambda request: ("Dạ vâng.",)
        assert await desk.ask("hai?") == sorry(desk)


async def test_what_an_answer_had_said_that_is_void_is_guessed_and_paid_for(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(customer_tokens=10_000)) as desk:
        first, second = Payer("scripted", "key-1"), Payer("scripted", "key-2")
        desk.model.script = lambda request: (
            *(Billed(Usage(1000, 1), first), "x" * 300, Restarted()),
            *(Billed(Usage(1000, 1), second), "Dạ."),
        )
        assert await desk.ask("một?") == "Dạ."
        columns = "key, input_tokens, output_tokens, cost, estimated_tokens"
        assert await desk.rows(f"SELECT {columns} FROM spendings ORDER BY key") == [
            ("key-1", 1000, 104, 2_040_000, 103),
            ("key-2", 10, 20, 293_000, 0),
        ]
        assert desk.spent.by_shop().tokens == 1104 + 100


async def test_a_budget_in_dollars_is_told_in_dollars(tmp_path: Path) -> None:
    async with opened(tmp_path, budgets=Budgets(shop_dollars=Decimal("0.0003"))) as desk:
        await desk.ask("một?")
        assert [notice.words for notice in desk.notices] == [
            "80 % of the shop's budget of today is spent: $0.000293 of $0.000300."
        ]

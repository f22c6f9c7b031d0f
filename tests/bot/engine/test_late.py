"""Who has waited for hours is asked to excuse it, once, and is answered or told of a person."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from bot.chat import Attachment
from bot.engine.limits import EngineLimits, Lateness
from bot.errors import ModelUnavailable
from bot.storage.database import Database
from bot.storage.messages import Messages
from tests.bot.engine.desk import Desk, opened
from tests.words import LAN, message

SIX = timedelta(hours=6)


def limits(then: Literal["answer", "person"] = "answer") -> EngineLimits:
    return EngineLimits(lateness=Lateness(SIX, then))


def ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def sorry(desk: Desk, key: str = "late") -> str:
    return desk.policies.sentence(key, "vi")


async def test_what_lay_at_the_platform_for_hours_is_answered_under_an_apology(tmp_path: Path) -> None:
    async with opened(tmp_path, limits()) as desk:
        assert await desk.ask("áo còn không", sent_at=ago(20)) == f"{sorry(desk)}\n\nDạ vâng."
        assert desk.platform.chat("lan") == [f"{sorry(desk)}\n\nDạ vâng."]
        assert await desk.rows("SELECT text, preface FROM turns WHERE role = 'assistant'") == [
            ("Dạ vâng.", sorry(desk))
        ]
        assert [past.text for past in await desk.turns.transcript(LAN)] == [
            "áo còn không",
            f"{sorry(desk)}\n\nDạ vâng.",
        ]
        await desk.ask("màu xanh thì sao", sent_at=ago(0))
        told = [said.text for said in desk.model.requests[-1].messages]
        assert told == ["áo còn không", "Dạ vâng.", "màu xanh thì sao"]


async def test_the_apology_comes_once_however_late_the_rest_is_delivered(tmp_path: Path) -> None:
    async with opened(tmp_path, limits()) as desk:
        await desk.ask("áo còn không", sent_at=ago(20))
        assert await desk.ask("quần còn không", sent_at=ago(19)) == "Dạ vâng."
        assert await desk.ask("mũ còn không", sent_at=ago(0)) == "Dạ vâng."


async def test_who_waited_less_is_just_answered(tmp_path: Path) -> None:
    async with opened(tmp_path, limits()) as desk:
        assert await desk.ask("áo còn không", sent_at=ago(5.9)) == "Dạ vâng."
        assert await desk.ask("quần còn không", sent_at=ago(-1)) == "Dạ vâng."


async def test_what_was_stored_hours_ago_and_not_answered_is_late(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "shopdesk.db")
    for number, text in enumerate(("áo còn không", "size M"), 1):
        await Messages(database).receive(message(text, number, sent_at=ago(7)), at=ago(7))
    await database.close()
    async with opened(tmp_path, limits()) as desk:
        await desk.answered()
        assert desk.platform.chat("lan") == [f"{sorry(desk)}\n\nDạ vâng."]
        assert desk.model.requests[0].messages[-1].text == "áo còn không\nsize M"


async def test_the_apology_stands_above_whatever_becomes_of_the_answer(tmp_path: Path) -> None:
    async with opened(tmp_path, limits()) as desk:
        desk.model.script = lambda request: ("Dạ", ModelUnavailable("down"))
        assert await desk.ask("áo còn không", sent_at=ago(20)) == f"{sorry(desk)}\n\n{sorry(desk, 'model_down')}"
        sticker = (Attachment("sticker", "s"),)
        await desk.ask("", sent_at=ago(0), attachments=sticker)
        assert desk.platform.chat("lan")[-1] == sorry(desk, "unsupported_sticker")


async def test_a_command_is_carried_out_however_late(tmp_path: Path) -> None:
    async with opened(tmp_path, limits()) as desk:
        assert await desk.ask("", command="help", sent_at=ago(20)) == sorry(desk, "help")


async def test_a_person_is_promised_once_and_no_model_is_asked(tmp_path: Path) -> None:
    async with opened(tmp_path, limits("person")) as desk:
        assert await desk.ask("áo còn không", sent_at=ago(20)) == sorry(desk, "late_person")
        await desk.ask("size M ạ", sent_at=ago(19))
        assert desk.platform.chat("lan") == [sorry(desk, "late_person")]
        assert desk.model.requests == []
        assert await desk.rows("SELECT mode FROM conversations") == [("waiting",)]
        assert await desk.rows("SELECT count(*) FROM inbox WHERE answered_by IS NULL") == [(0,)]
        assert await desk.ask("còn ai ở đó không", sent_at=ago(0)) == "Dạ vâng."


async def test_staff_are_answered_even_where_customers_are_promised_a_person(tmp_path: Path) -> None:
    async with opened(tmp_path, limits("person")) as desk:
        assert (await desk.ask("đổi trả mấy ngày", sent_at=ago(20), role="staff")).endswith("Dạ vâng.")


async def test_a_stop_that_came_before_the_turn_is_obeyed(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "shopdesk.db")
    await Messages(database).receive(message("áo còn không", 99, sent_at=ago(7)), at=ago(7))
    await database.close()
    async with opened(tmp_path, limits()) as desk:
        gate = asyncio.Event()
        desk.model.script = lambda request: (gate, "Dạ vâng.")
        await desk.write("", command="stop", sent_at=ago(0))
        await desk.answered()
        assert desk.platform.chat("lan")[-1].endswith(sorry(desk, "stopped"))

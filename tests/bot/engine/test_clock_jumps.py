"""The wall clock jumps by an hour while the shop is open: nobody notices."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.engine.limits import EngineLimits, Lateness
from tests.bot.engine.desk import opened, shown
from tests.words import LAN

HOURS = pytest.mark.parametrize("hours", [1, -1])


@HOURS
async def test_an_answer_that_is_being_written_is_the_same_and_took_as_long_as_it_took(
    tmp_path: Path, hours: int
) -> None:
    go_on = asyncio.Event()
    async with opened(tmp_path, EngineLimits(lateness=Lateness(timedelta(minutes=10)))) as desk:
        desk.model.script = lambda request: ("Dạ vâng, ", go_on, "còn ạ.")
        await desk.write("áo còn không", sent_at=datetime.now(UTC))
        await shown(desk, "Dạ vâng,")
        desk.jump = timedelta(hours=hours)
        go_on.set()
        await desk.answered()
        assert desk.platform.chat("lan") == ["Dạ vâng, còn ạ."]
        (times,) = await desk.rows("SELECT request_ms, first_visible_ms, finished_ms FROM turns WHERE finished_ms > -1")
        assert all(isinstance(one, int) and 0 <= one < 60_000 for one in times)


@HOURS
async def test_what_waits_behind_an_answer_is_not_late_and_history_keeps_its_order(tmp_path: Path, hours: int) -> None:
    go_on = asyncio.Event()
    async with opened(tmp_path, EngineLimits(lateness=Lateness(timedelta(minutes=30)))) as desk:
        desk.model.script = lambda request: ("Một.", go_on) if len(desk.model.requests) == 1 else ("Hai.",)
        await desk.write("áo còn không", sent_at=datetime.now(UTC))
        await shown(desk, "Một.")
        await desk.write("màu xanh thì sao", sent_at=datetime.now(UTC))
        desk.jump = timedelta(hours=hours)
        go_on.set()
        await desk.answered()
        assert desk.platform.chat("lan") == ["Một.", "Hai."]
        transcript = [past.text for past in await desk.turns.transcript(LAN)]
        assert transcript == ["áo còn không", "Một.", "màu xanh thì sao", "Hai."]


@HOURS
async def test_a_start_afresh_forgets_what_was_said_before_it_and_nothing_else(tmp_path: Path, hours: int) -> None:
    async with opened(tmp_path) as desk:
        await desk.ask("áo còn không", sent_at=datetime.now(UTC))
        await desk.ask("", command="new", sent_at=datetime.now(UTC))
        desk.jump = timedelta(hours=hours)
        await desk.ask("màu xanh thì sao", sent_at=datetime.now(UTC))
        assert [said.text for said in desk.model.requests[-1].messages] == ["màu xanh thì sao"]
        assert "màu xanh thì sao" in [past.text for past in await desk.turns.transcript(LAN)]

"""The program was away for most of a day: who wrote meanwhile is answered once, under one apology."""

import json
import time
from pathlib import Path

import pytest

from tests.whole import program
from tests.whole.shop import Shop, echo, shop
from tests.words import eventually

SORRY = "Xin lỗi vì đã để bạn chờ lâu như vậy ạ."
HOUR = 3600


async def nothing_waits(stage: Shop) -> None:
    await eventually(lambda: stage.rows("SELECT count(*) FROM inbox WHERE answered_at IS NULL") == [(0,)])


@pytest.mark.timeout(60)
async def test_twenty_hours_at_telegram_are_answered_once_under_one_apology(tmp_path: Path) -> None:
    async with shop(tmp_path, discord_bot_token=None) as stage:
        stage.doors = 2
        people = [stage.telegram.customer(100 + number) for number in range(15)]
        now = int(time.time())
        for number, one in enumerate(people):
            one.write(f"câu hỏi số {number} ạ?", date=now - 20 * HOUR)
        for one in people[:5]:
            one.write("shop còn đó không ạ?", date=now - 19 * HOUR)
        fresh = stage.telegram.customer(7)
        fresh.write("mình mới hỏi ạ?")
        async with program.running(stage) as running:
            await running.is_on("telegram")
            await eventually(lambda: stage.rows("SELECT count(*) FROM inbox") == [(21,)])
            await nothing_waits(stage)
            counted = await program.run(stage, "stats", "--json")
        async with stage.open():
            await nothing_waits(stage)
        for number, one in enumerate(people):
            said = "\n".join(stage.telegram.texts(one.chat_id))
            assert said.startswith(SORRY)
            assert said.count(SORRY) == 1
            assert said.count(f"câu hỏi số {number} ạ?") == 1
            assert said.count("shop còn đó không ạ?") == (1 if number < 5 else 0)
        assert stage.telegram.texts(7) == [echo("mình mới hỏi ạ?")]
        found = json.loads(counted.output)
        assert found["platforms"] == [
            {"platform": "telegram", "received": 21, "answered": 21, "closed": 0, "waiting": 0, "unreadable": 0}
        ]
        assert found["doubtful_sends"] == 0
        assert found["finished"]["count"] == found["outcomes"]["complete"]


@pytest.mark.timeout(60)
async def test_where_a_person_is_to_look_at_it_that_is_said_and_counted(tmp_path: Path) -> None:
    async with shop(tmp_path, discord_bot_token=None, shopdesk_stale="person", shopdesk_stale_after="2h") as stage:
        lan = stage.telegram.customer(7)
        for number in range(3):
            lan.write(f"câu hỏi số {number} ạ?", date=int(time.time()) - 3 * HOUR)
        stage.doors = 2
        async with stage.open():
            assert any("SHOPDESK_STALE is person" in line for line in stage.lines)
            await eventually(lambda: stage.rows("SELECT count(*) FROM inbox") == [(3,)])
            await nothing_waits(stage)
        counted = await program.run(stage, "stats")
        (said,) = stage.telegram.texts(7)
        assert said.startswith(SORRY)
        assert "Nhân viên của Nhà Mây sẽ xem tin nhắn này" in said
        assert stage.claude.calls == []
        assert counted.status == 0
        assert "1  wait for a person" in counted.output

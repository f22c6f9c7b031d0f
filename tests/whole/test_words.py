"""Whatever the model says reaches every door, within the rules of each."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.text import is_blank
from tests.adapters.web.visitor import settled, visitor
from tests.servers.discord.people import Member
from tests.servers.telegram import Customer
from tests.whole.shop import Shop, shop
from tests.words import eventually

DOWN = "Trợ lý tự động của shop đang tạm gián đoạn"
CONTROLS = "\x00\x1b\x9b\u202e\u202c\u2066\u2069\U000e0041"
SAID = {
    "control": f"Trước{CONTROLS}sau",
    "spaced": "\n\n\n   Trước sau  \n\n\n",
    "fence": "Trước\n```\nchưa đóng\n" + "dòng mã\n" * 900 + "sau",
    "wall": "Trước" + "á" * 9_000 + "sau",
    "emoji": "Trước" + "👨‍👩‍👧‍👦" * 1_000 + "sau",
    "marks": "Trước a" + "\u0301" * 5_000 + "sau",
    "html": "<b>Trước</b> <script>alert(1)</script> &lt; sau",
    "brackets": "Trước " + "[" * 2_000 + "](" * 500 + " sau",
    "stars": "Trước " + "*" * 1_500 + "x" + "_" * 1_500 + " sau",
    "table": "Trước\n\n" + "|" * 3_000 + "\n|-|-|\n" + "|a" * 500 + "\n\nsau",
    "deep": "Trước\n\n" + ">" * 300 + " sâu\n\n" + "- " * 200 + "x\n\nsau",
    "mention": "Trước @everyone @here <@1> <#2> [x](tg://user?id=1) sau",
}


@pytest.mark.timeout(60)
async def test_whatever_the_model_says_reaches_every_door_within_its_rules(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(shop(tmp_path, discord={"limits": False}))
        stage.script |= {f"#{name}#": said for name, said in SAID.items()}
        await stack.enter_async_context(stage.open())
        await asyncio.gather(*(everywhere(stage, number, name) for number, name in enumerate(SAID)))
        await eventually(lambda: stage.rows("SELECT count(*) FROM inbox WHERE answered_at IS NULL") == [(0,)])
        outcomes = stage.rows("SELECT outcome, count(*) FROM turns WHERE role = 'assistant' GROUP BY outcome")
        assert outcomes == [("complete", 3 * len(SAID))]
        assert {call.status for call in stage.telegram.log} <= {0, 200}
        assert {call.status for call in stage.discord.log} <= {200, 201, 204, 101}


@pytest.mark.parametrize("said", [" \n\n \u200b \n", CONTROLS], ids=["blank", "controls"])
async def test_a_model_that_says_nothing_visible_has_failed(tmp_path: Path, said: str) -> None:
    async with shop(tmp_path, discord_bot_token=None, shopdesk_web="off") as stage:
        stage.script["#nothing"], stage.doors = said, 1
        async with stage.open():
            stage.telegram.customer(7).write("#nothing")
            await stage.telegram.wait_for(lambda: any(text.startswith(DOWN) for text in stage.telegram.texts(7)))


async def everywhere(stage: Shop, number: int, name: str) -> None:
    """Ask for it at every door, and wait until its beginning and its end are to be seen there."""
    lan, boss = stage.telegram.customer(100 + number), stage.discord.add_member(name, stage.discord.staff_role)
    question = f"#{name}#"
    lan.write(question)
    boss.dm(question)
    try:
        await stage.telegram.wait_for(lambda: is_whole(shown_in_telegram(stage, lan)), timeout=40)
        await stage.discord.wait_for(lambda: is_whole(shown_in_discord(stage, boss)), timeout=40)
    except TimeoutError:
        pytest.fail(f"{name}: {shown_in_telegram(stage, lan)[-1:]} {shown_in_discord(stage, boss)[-1:]}")
    assert all(len(part) <= 2_000 for part in shown_in_discord(stage, boss))
    async with visitor(stage.url) as mai:
        await mai.say(question)
        await mai.watch(settled())
        texts = [mai.thread.texts[-1][1]]
    assert is_whole(texts)
    for parts in (texts, shown_in_telegram(stage, lan), shown_in_discord(stage, boss)):
        assert not set(CONTROLS) & set("".join(parts))
        assert not any(map(is_blank, parts))


def is_whole(parts: Sequence[str]) -> bool:
    return "Trước" in "".join(parts[:1]) and "sau" in "".join(parts[-1:])


def shown_in_telegram(stage: Shop, who: Customer) -> list[str]:
    return stage.telegram.texts(who.chat_id)


def shown_in_discord(stage: Shop, who: Member) -> list[str]:
    return [message.content for message in stage.discord.answers(who.direct)]

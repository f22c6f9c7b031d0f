"""What staff write in Discord while the program is away, through the whole program: answered, and once."""

import signal
from pathlib import Path

import pytest

from tests.servers.anthropic.script import Fault
from tests.servers.discord.world import Channel
from tests.whole.program import running
from tests.whole.shop import Shop, echo, question_of, shop
from tests.words import eventually

DISCORD = {"limits": False}


def said(stage: Shop, channel: Channel) -> str:
    return "\n".join(message.content for message in stage.discord.answers(channel))


async def nothing_waits(stage: Shop) -> None:
    await eventually(lambda: stage.rows("SELECT count(*) FROM inbox WHERE answered_at IS NULL") == [(0,)])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_what_was_written_while_the_program_was_off_is_answered_once(tmp_path: Path, end: signal.Signals) -> None:
    async with shop(tmp_path, telegram_bot_token=None, shopdesk_web="off", discord=DISCORD) as stage:
        discord, lan = stage.discord, stage.discord.staff
        async with running(stage) as program:
            await program.is_on("discord")
            lan.write(discord.general, "#1")
            lan.dm("#2")
            await discord.wait_for(lambda: "#1" in said(stage, discord.general) and "#2" in said(stage, lan.direct))
            await nothing_waits(stage)
            if end is signal.SIGKILL:
                await program.kill()
        lan.write(discord.general, "#3")
        lan.write(discord.general, "#4 giữa chúng ta thôi", mention_bot=False)
        discord.stranger.write(discord.general, "#5")
        lan.write(discord.thread, "#6")
        lan.dm("#7")
        for _ in range(2):
            async with running(stage) as program:
                await program.is_on("discord")
                await discord.wait_for(lambda: "#7" in said(stage, lan.direct) and "#6" in said(stage, discord.thread))
                await discord.wait_for(lambda: "#3" in said(stage, discord.general))
                await nothing_waits(stage)
                if end is signal.SIGKILL:
                    await program.kill()
        text = "\n".join(said(stage, place) for place in (discord.general, discord.thread, lan.direct))
        assert [text.count(f"#{number}") for number in range(1, 8)] == [1, 1, 1, 0, 0, 1, 1]
        inbox = stage.rows("SELECT text FROM inbox ORDER BY id")
        assert sorted(str(row[0]) for row in inbox) == ["#1", "#2", "#3", "#6", "#7"]


@pytest.mark.timeout(60)
async def test_killed_in_the_middle_of_an_answer_and_asked_again_meanwhile(tmp_path: Path) -> None:
    async with shop(tmp_path, telegram_bot_token=None, shopdesk_web="off", discord=DISCORD) as stage:
        discord, lan = stage.discord, stage.discord.staff
        stage.claude.fault(Fault("slow", seconds=-1.0, when=lambda body: "#1" in question_of(body)))
        async with running(stage) as program:
            await program.is_on("discord")
            lan.dm("#1")
            await stage.claude.until(lambda: bool(stage.asked("#1")))
            await program.kill()
        lan.dm("#2")
        async with running(stage) as program:
            await discord.wait_for(lambda: "#2" in said(stage, lan.direct), timeout=30)
            await nothing_waits(stage)
        text = said(stage, lan.direct)
        assert (text.count("#1"), text.count("#2")) == (1, 1)
        assert text in (f"{echo('#1')}\n{echo('#2')}", echo("#1\n#2"))


@pytest.mark.timeout(60)
async def test_after_an_invalid_session_what_was_missed_is_answered_once(tmp_path: Path) -> None:
    async with shop(tmp_path, telegram_bot_token=None, shopdesk_web="off", discord=DISCORD) as stage:
        discord, lan = stage.discord, stage.discord.staff
        stage.doors = 1
        async with stage.open():
            lan.dm("#1")
            await discord.wait_for(lambda: "#1" in said(stage, lan.direct))
            discord.gateway.forget_sessions()
            lan.dm("#2")
            lan.write(discord.general, "#3")
            discord.gateway.drop()
            await discord.wait_for(lambda: "#3" in said(stage, discord.general), timeout=30)
            await discord.wait_for(lambda: "#2" in said(stage, lan.direct))
            await nothing_waits(stage)
        text = said(stage, lan.direct) + said(stage, discord.general)
        assert [text.count(f"#{number}") for number in (1, 2, 3)] == [1, 1, 1]

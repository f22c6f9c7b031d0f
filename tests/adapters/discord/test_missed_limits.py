"""Reading back what was missed, when there is much of it, little room, or something in the way."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import discord
import pytest

from adapters.discord.missed import MOST_MESSAGES
from bot.chat import OutboundMessage
from tests.adapters.discord.away import HISTORY, Notebook, all_read, known, listening, private, texts
from tests.servers.discord import DiscordServer


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(limits=False) as server:
        yield server


async def test_quiet_channels_cost_no_call(server: DiscordServer) -> None:
    notebook = Notebook()
    async with known(server, notebook):
        pass
    for number in range(20):
        server.add_channel(f"yên-{number}")
    server.log.clear()
    async with listening(server, notebook) as desk:
        await all_read(desk)
        asked = [call.path for call in server.calls("GET", HISTORY)]
        assert asked == [f"/channels/{server.staff.direct.id}/messages"]


async def test_five_hundred_messages_that_were_missed_come_in(server: DiscordServer) -> None:
    notebook = Notebook()
    async with known(server, notebook):
        pass
    for number in range(500):
        server.staff.write(server.general, f"lỡ {number}", mention_bot=number % 5 == 0)
    async with listening(server, notebook) as desk:
        await all_read(desk)
        assert texts(desk, server.general) == [*(f"lỡ {number}" for number in range(0, 500, 5)), "sau"]
        assert len(server.calls("GET", f"/channels/{server.general.id}/messages$")) == 6


async def test_what_is_read_back_is_bounded(server: DiscordServer, caplog: pytest.LogCaptureFixture) -> None:
    notebook = Notebook()
    async with known(server, notebook):
        pass
    for number in range(MOST_MESSAGES + 50):
        server.staff.write(server.general, f"lỡ {number}", mention_bot=number == 0)
    async with listening(server, notebook) as desk:
        await all_read(desk)
        assert texts(desk, server.general) == ["lỡ 0", "sau"]
    assert f"Channel {server.general.id}: only the first {MOST_MESSAGES} messages" in caplog.text


async def test_what_is_older_than_a_day_is_not_read(server: DiscordServer) -> None:
    long_ago = discord.utils.time_snowflake(datetime.now(UTC) - timedelta(hours=25))
    old = server.staff.write(server.general, "hôm kia")
    old.id = long_ago
    server.staff.write(server.general, "hôm nay")
    async with listening(server, Notebook({f"server:{server.guild.id}": "1"})) as desk:
        await all_read(desk)
        assert texts(desk, server.general) == ["hôm nay", "sau"]


@pytest.mark.parametrize("denied", ["READ_MESSAGE_HISTORY", "VIEW_CHANNEL"])
async def test_a_permission_that_is_missing_is_named_and_the_rest_goes_on(
    server: DiscordServer, caplog: pytest.LogCaptureFixture, denied: str
) -> None:
    notebook = Notebook()
    async with known(server, notebook):
        pass
    server.staff.write(server.general, "không đọc được")
    server.staff.write(server.thread, "không đọc được")
    server.staff.dm("lỡ")
    server.general.denied.add(denied)
    async with listening(server, notebook) as desk:
        assert (await desk.next()).text == "lỡ"
        server.general.denied.clear()
        server.staff.write(server.general, "nghe được")
        await server.wait_for(lambda: texts(desk, server.general) == ["nghe được"])
    said = [one.getMessage() for one in caplog.records if f"channel {server.general.id}:" in one.getMessage()]
    if denied == "VIEW_CHANNEL":
        assert said == []
    else:
        [sentence] = said
        assert "give the bot Read Message History" in sentence
    assert server.calls("GET", f"/channels/{server.general.id}/messages$") == []


@pytest.mark.parametrize(
    "fault",
    [
        {"cut": "before"},
        {"status": 400, "body": {"code": 0, "message": "x"}, "path": "/members/"},
        {"status": 400, "body": {"code": 0, "message": "x"}},
    ],
)
async def test_a_history_that_fails_is_asked_for_again(server: DiscordServer, fault: dict[str, Any]) -> None:
    notebook = Notebook()
    async with known(server, notebook):
        pass
    server.staff.write(server.general, "lỡ")
    server.staff.write(server.general, "lỡ nữa")
    path = fault.pop("path", f"/channels/{server.general.id}/messages$")
    server.fault("GET", path, **fault)
    async with listening(server, notebook) as desk:
        await server.wait_for(lambda: texts(desk, server.general) == ["lỡ", "lỡ nữa"])


async def test_what_was_written_in_private_waits_until_it_is_known_who_is_staff(server: DiscordServer) -> None:
    notebook = Notebook()
    async with known(server, notebook):
        pass
    server.staff.dm("lỡ")
    server.gateway.withhold_guilds = True
    async with listening(server, notebook) as desk:
        # Asked for, and again after each pause, which are nothing here.
        await server.wait_for(lambda: len(server.calls("GET", f"/channels/{server.staff.direct.id}/messages$")) == 3)
        server.gateway.send_guilds()
        await server.wait_for(lambda: texts(desk, private(server)) == ["lỡ"])


async def test_more_than_there_is_room_for_waits_on_discord(server: DiscordServer) -> None:
    async with listening(server, Notebook(), capacity=3) as desk:
        for number in range(40):
            server.staff.write(server.general, f"{number}")
            server.staff.write(server.thread, f"{number}")
        await desk.next(80)
        await all_read(desk)
        for place in (server.general, server.thread):
            assert texts(desk, place) == [*(str(number) for number in range(40)), "sau"]


async def test_a_disk_that_is_full_keeps_nobody_from_being_heard(
    server: DiscordServer, caplog: pytest.LogCaptureFixture
) -> None:
    notebook = Notebook()
    async with listening(server, notebook) as desk:
        notebook.is_full = True
        server.staff.dm("đĩa đầy")
        server.staff.write(server.general, "đĩa đầy")
        await desk.next(2)
        notebook.is_full = False
        await all_read(desk)
    assert notebook.marks[str(server.general.id)] == str(server.general.messages[-1].id)
    assert notebook.marks[private(server)] == str(server.staff.direct.messages[-1].id)
    assert caplog.text.count("cannot be stored, a restart would read some of it again: no room") == 1


async def test_chatter_is_written_down_in_bulk(server: DiscordServer) -> None:
    notebook = Notebook()
    async with listening(server, notebook, bookmark_pause=3600.0) as desk:
        for number in range(200):
            server.staff.write(server.general, f"{number}", mention_bot=False)
        await all_read(desk)
        before = notebook.writes
    assert before == 1  # that of the private place
    assert notebook.marks[str(server.general.id)] == str(server.general.messages[-1].id)


async def test_reading_back_stays_inside_discords_limits() -> None:
    async with DiscordServer(per_window=3, window=0.3) as server:
        notebook = Notebook()
        async with known(server, notebook):
            pass
        for number in range(600):
            server.staff.write(server.general, f"{number}", mention_bot=number == 599)
        async with listening(server, notebook) as desk:
            await server.wait_for(lambda: texts(desk, server.general) == ["599"])
        assert 429 not in {call.status for call in server.log}


async def test_logs_of_reading_back_hold_no_words(server: DiscordServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    notebook = Notebook()
    async with known(server, notebook):
        pass
    server.staff.write(server.general, "bí mật")
    async with listening(server, notebook) as desk:
        message = await desk.next()
        await desk.door.send(message.address, OutboundMessage("đáp", reply_to=message.reply_to), key="k")
    assert "bí mật" not in caplog.text
    assert [one.content for one in server.answers(server.general)] == ["đáp"]

"""What was written while nobody listened: found again, once, in order, and without asking for more than that."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import discord
import pytest

from adapters.discord.missed import MOST_MESSAGES
from bot.chat import InboundMessage, OutboundMessage, UnreadableUpdate
from bot.errors import StorageFull
from tests.adapters.discord.conftest import Desk, door_for, running
from tests.servers.discord import Channel, DiscordServer
from tests.words import eventually

HISTORY = r"^/channels/\d+/messages$"


class Notebook:
    """Bookmarks on a disk that may be full, and to which a killed process writes nothing more."""

    def __init__(self, marks: Mapping[str, str] | None = None) -> None:
        self.marks = dict(marks or {})
        self.is_full = False
        self.writes = 0

    async def load(self) -> Mapping[str, str]:
        return dict(self.marks)

    async def keep(self, marks: Mapping[str, str | None]) -> None:
        self.writes += 1
        if self.is_full:
            raise StorageFull("no room")
        self.marks.update({place: mark for place, mark in marks.items() if mark is not None})
        for place in [place for place, mark in marks.items() if mark is None]:
            del self.marks[place]


@asynccontextmanager
async def listening(server: DiscordServer, notebook: Notebook, **options: Any) -> AsyncIterator[Desk]:
    """A door that has looked at the channels of its server."""
    async with running(server, bookmarks=notebook, **{"bookmark_pause": 0.0} | options) as desk:
        await server.wait_for(lambda: desk.ready)
        yield desk


@asynccontextmanager
async def known(server: DiscordServer, notebook: Notebook) -> AsyncIterator[None]:
    """The door as it was before: it has been in the server, and answered Lan in the channel and in private."""
    async with listening(server, notebook) as desk:
        server.staff.write(server.general, "trước")
        server.staff.dm("trước, riêng")
        await desk.next(2)
        yield


def texts(desk: Desk, place: Channel | str) -> list[str]:
    name = place if isinstance(place, str) else str(place.id)
    return [message.text for message in desk.inbound if message.address.chat_id == name]


def private(server: DiscordServer) -> str:
    return f"dm:{server.staff.direct.id}"


async def all_read(desk: Desk) -> None:
    """Wait until a message that is written now has come in, in the channel, the thread and in private."""
    server, before = desk.server, len(desk.inbound)
    server.staff.write(server.general, "sau")
    server.staff.write(server.thread, "sau")
    server.staff.dm("sau")
    await server.wait_for(lambda: [one.text for one in desk.inbound[before:]].count("sau") == 3)


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(limits=False) as server:
        yield server


async def test_what_was_written_while_the_program_was_off_comes_in_once_and_in_order(server: DiscordServer) -> None:
    notebook = Notebook()
    async with known(server, notebook):
        pass
    new = server.add_channel("chưa từng hỏi ở đây")
    for number in range(3):
        server.staff.write(server.general, f"lỡ {number}")
        server.staff.dm(f"lỡ {number}, riêng")
    server.staff.write(server.thread, "trong chuỗi")
    server.staff.write(new, "chỗ mới")
    async with listening(server, notebook) as desk:
        await desk.next(8)
        await all_read(desk)
        assert texts(desk, server.general) == ["lỡ 0", "lỡ 1", "lỡ 2", "sau"]
        assert texts(desk, private(server)) == ["lỡ 0, riêng", "lỡ 1, riêng", "lỡ 2, riêng", "sau"]
        assert texts(desk, server.thread) == ["trong chuỗi", "sau"]
        assert texts(desk, new) == ["chỗ mới"]
    async with listening(server, notebook) as desk:
        await all_read(desk)
        assert [message.text for message in desk.inbound] == ["sau"] * 3


async def test_what_was_not_meant_for_the_bot_is_left_alone_and_not_read_twice(server: DiscordServer) -> None:
    notebook = Notebook()
    async with known(server, notebook):
        pass
    server.staff.write(server.general, "nói với nhau", mention_bot=False)
    server.stranger.write(server.general, "người lạ")
    async with listening(server, notebook) as desk:
        await server.wait_for(lambda: server.calls("GET", f"/channels/{server.general.id}/messages$"))
        await all_read(desk)
        assert [message.text for message in desk.inbound] == ["sau"] * 3
    server.log.clear()
    async with listening(server, notebook) as desk:
        await all_read(desk)
    assert server.calls("GET", f"/channels/{server.general.id}/messages$") == []


async def test_what_was_deleted_meanwhile_is_not_looked_for_again(server: DiscordServer) -> None:
    notebook = Notebook()
    async with known(server, notebook):
        pass
    server.staff.delete(server.staff.write(server.general, "thôi khỏi"))
    for _ in range(2):
        async with listening(server, notebook) as desk:
            await server.wait_for(lambda: server.calls("GET", f"/channels/{server.general.id}/messages$"))
            server.staff.write(server.thread, "sau")
            await desk.next()
            await eventually(lambda: notebook.marks[str(server.general.id)] == str(server.general.messages[-1].id))
    assert len(server.calls("GET", f"/channels/{server.general.id}/messages$")) == 1


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


async def test_at_its_very_first_start_it_digs_nothing_up(server: DiscordServer) -> None:
    server.staff.write(server.general, "từ năm ngoái")
    async with listening(server, Notebook()) as desk:
        await all_read(desk)
        assert texts(desk, server.general) == ["sau"]
        assert server.calls("GET", HISTORY) == []


async def test_after_a_kill_it_is_known_where_to_look(server: DiscordServer) -> None:
    notebook = Notebook()
    async with listening(server, notebook, bookmark_pause=0.0) as desk:
        await server.wait_for(lambda: desk.ready)
        await all_read(desk)
    # What the process that is killed had still to write down is gone; a private place never is.
    async with listening(server, notebook, bookmark_pause=3600.0) as desk:
        other = server.add_member("Mai", server.staff_role)
        server.staff.write(server.general, "trước")
        other.dm("trước, riêng")
        await desk.next(2)
        left = dict(notebook.marks)
    server.staff.write(server.general, "lỡ")
    other.dm("lỡ, riêng")
    async with listening(server, Notebook(left)) as desk:
        await all_read(desk)
        # What came in just before may be read a second time, and is known to the inbox by its id.
        assert texts(desk, server.general)[-2:] == ["lỡ", "sau"]
        assert texts(desk, f"dm:{other.direct.id}") == ["trước, riêng", "lỡ, riêng"]


async def test_a_private_place_is_written_down_before_its_first_message_is_taken(server: DiscordServer) -> None:
    notebook, taking = Notebook(), asyncio.Event()

    async def never(message: InboundMessage | UnreadableUpdate) -> None:
        taking.set()
        await asyncio.Event().wait()

    door = door_for(server, bookmarks=notebook, bookmark_pause=3600.0)
    run = asyncio.create_task(door.run(never, lambda words: None))
    await server.wait_for(lambda: server.gateway.connected)
    server.staff.dm("lần đầu")
    await asyncio.wait_for(taking.wait(), 5.0)
    left = dict(notebook.marks)
    run.cancel()
    await asyncio.wait([run])
    async with listening(server, Notebook(left)) as desk:
        assert (await desk.next()).text == "lần đầu"


async def test_live_messages_wait_for_what_was_missed_before_them(server: DiscordServer) -> None:
    notebook = Notebook()
    async with known(server, notebook):
        pass
    server.staff.write(server.general, "lỡ")
    server.fault("GET", f"/channels/{server.general.id}/messages$", delay=0.3)
    async with running(server, bookmarks=notebook) as desk:
        server.staff.write(server.general, "ngay sau đó")
        server.staff.write(server.thread, "chỗ khác")
        assert (await desk.next()).text == "chỗ khác"
        await desk.next(3)
        assert texts(desk, server.general) == ["lỡ", "ngay sau đó"]


async def test_after_an_invalid_session_all_places_are_read(server: DiscordServer) -> None:
    async with listening(server, Notebook()) as desk:
        server.staff.dm("trước")
        await desk.next()
        server.gateway.forget_sessions()
        server.gateway.refuse_connections = True
        server.gateway.drop()
        await server.wait_for(lambda: not server.gateway.connected)
        new = server.add_channel("mới mở")
        for place in (server.general, server.thread, new):
            server.staff.write(place, "lỡ")
        server.staff.dm("lỡ")
        server.gateway.refuse_connections = False
        await server.wait_for(lambda: len(desk.ready) == 2, timeout=20.0)
        await all_read(desk)
        for name in (str(server.general.id), str(server.thread.id), private(server)):
            assert texts(desk, name)[-2:] == ["lỡ", "sau"]
        await server.wait_for(lambda: texts(desk, new) == ["lỡ"])


async def test_a_session_that_is_resumed_asks_for_nothing(server: DiscordServer) -> None:
    async with listening(server, Notebook()) as desk:
        await all_read(desk)
        server.gateway.drop()
        await server.wait_for(lambda: not server.gateway.connected)
        server.staff.write(server.general, "trong lúc đứt")
        await desk.next(4)
        assert server.calls("GET", HISTORY) == []


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


async def test_strangers_who_write_in_private_leave_no_trace(server: DiscordServer) -> None:
    notebook = Notebook()
    async with listening(server, notebook) as desk:
        server.stranger.dm("chào")
        await server.wait_for(lambda: server.calls("GET", f"/members/{server.stranger.id}$"))
        await all_read(desk)
    assert f"dm:{server.stranger.direct.id}" not in notebook.marks


async def test_who_only_ever_used_a_command_in_private_is_found_there(server: DiscordServer) -> None:
    notebook = Notebook()
    async with listening(server, notebook) as desk:
        await server.wait_for(lambda: server.state.commands.get(None))
        server.staff.ask(server.staff.direct, "bằng lệnh")
        await desk.next()
    server.staff.dm("bằng lời")
    async with listening(server, notebook) as desk:
        assert (await desk.next()).text == "bằng lời"


async def test_a_thread_that_was_closed_meanwhile_is_found_and_a_channel_that_is_gone_forgotten(
    server: DiscordServer,
) -> None:
    notebook, lost = Notebook(), server.add_channel("tạm")
    async with listening(server, notebook) as desk:
        server.staff.write(server.thread, "trước")
        server.staff.write(lost, "trước")
        await desk.next(2)
    assert str(lost.id) in notebook.marks
    server.staff.write(server.thread, "lỡ")
    server.thread.archived = True
    del server.state.channels[lost.id]
    async with listening(server, notebook) as desk:
        assert (await desk.next()).text == "lỡ"
        await server.wait_for(lambda: server.calls("GET", f"/channels/{lost.id}$"))
    assert str(lost.id) not in notebook.marks


async def test_a_start_that_is_broken_off_goes_on_where_it_was(server: DiscordServer) -> None:
    notebook = Notebook()
    async with known(server, notebook):
        pass
    for number in range(10):
        server.staff.write(server.general, f"lỡ {number}")
    door = door_for(server, bookmarks=notebook)
    came: list[str] = []

    async def take_four(message: InboundMessage | UnreadableUpdate) -> None:
        assert isinstance(message, InboundMessage)
        if len(came) == 4:
            await asyncio.Event().wait()
        came.append(message.text)
        server.state.notify()

    run = asyncio.create_task(door.run(take_four, lambda words: None))
    await server.wait_for(lambda: len(came) == 4)
    run.cancel()
    await asyncio.wait([run])
    async with listening(server, notebook) as desk:
        await all_read(desk)
        assert came + texts(desk, server.general) == [*(f"lỡ {number}" for number in range(10)), "sau"]


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

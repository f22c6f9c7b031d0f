"""What was written while nobody listened: found again, once, in order, and nothing else with it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.chat import InboundMessage, UnreadableUpdate
from tests.adapters.discord.away import HISTORY, Notebook, all_read, known, listening, private, texts
from tests.adapters.discord.conftest import door_for, running
from tests.servers.discord import DiscordServer
from tests.words import eventually


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


async def test_a_first_private_message_is_found_again_though_nobody_could_say_yet_who_wrote_it(
    server: DiscordServer,
) -> None:
    notebook = Notebook()
    server.fault("GET", f"/members/{server.staff.id}$", delay=60.0)
    async with listening(server, notebook, bookmark_pause=3600.0) as desk:
        server.staff.dm("lần đầu")
        await eventually(lambda: bool(notebook.marks))
        left = dict(notebook.marks)
        assert desk.inbound == []
    async with listening(server, Notebook(left)) as desk:
        assert (await desk.next()).text == "lần đầu"


async def test_a_first_private_message_whose_writer_discord_does_not_tell_is_found_by_the_next_session(
    server: DiscordServer,
) -> None:
    notebook = Notebook()
    server.fault("GET", f"/members/{server.staff.id}$", status=503, times=3)
    async with listening(server, notebook) as desk:
        server.staff.dm("lần đầu")
        # Asked for, and again after each pause, which are nothing here.
        await server.wait_for(lambda: len(server.calls("GET", f"/members/{server.staff.id}$")) == 3)
    async with listening(server, notebook) as desk:
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

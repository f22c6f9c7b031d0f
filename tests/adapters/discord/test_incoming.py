"""What staff write reaches the engine, and what others write does not."""

import asyncio
import logging
from functools import partial

import pytest

from adapters.discord.deliveries import Deliveries
from bot.chat import OutboundMessage
from bot.errors import ShopdeskError, StorageFull
from tests.adapters.discord.conftest import Desk, running
from tests.adapters.discord.words import SENTENCES
from tests.servers.discord import DiscordServer
from tests.words import eventually


async def test_a_mention_by_staff_comes_in_without_the_mention(desk: Desk) -> None:
    server = desk.server
    written = server.staff.write(server.general, "đổi trả thế nào?")
    message = await desk.next()
    assert message.text == "đổi trả thế nào?"
    assert message.role == "staff"
    assert message.message_id == message.reply_to == str(written.id)
    assert message.sender_id == str(server.staff.id)
    assert message.sender_name == "Lan"
    assert message.address.chat_id == str(server.general.id)
    assert desk.door.is_group(message.address)


async def test_only_words_for_the_bot_come_in(desk: Desk) -> None:
    server = desk.server
    server.staff.write(server.general, "ăn trưa chưa?", mention_bot=False)
    server.staff.write(server.general, f"hỏi <@{server.owner.id}> đi", mention_bot=False)
    server.stranger.write(server.general, "tôi là quản lý, cho tôi hỏi")
    server.owner.write(server.general, "tôi không có vai trò")
    server.staff.write(server.general, "câu hỏi thật")
    assert (await desk.next()).text == "câu hỏi thật"
    assert len(desk.inbound) == 1


async def test_who_is_not_staff_gets_not_even_a_word(desk: Desk) -> None:
    server = desk.server
    server.stranger.write(server.general, "alo?")
    server.stranger.dm("alo?")
    server.staff.write(server.general, "xong")
    await desk.next()
    assert server.calls("POST", "/messages$") == []


async def test_a_direct_message_of_staff_comes_in_and_is_looked_up_once(desk: Desk) -> None:
    server = desk.server
    server.staff.dm("một")
    server.staff.dm("hai")
    message = await desk.next(2)
    assert [one.text for one in desk.inbound] == ["một", "hai"]
    assert message.reply_to is None
    assert not desk.door.is_group(message.address)
    assert len(server.calls("GET", "/members/")) == 1


async def test_a_direct_message_comes_in_although_discord_failed_at_first(server: DiscordServer) -> None:
    server.fault("GET", "/members/", status=503)
    async with running(server) as desk:
        server.staff.dm("một")
        assert (await desk.next()).text == "một"


async def test_nobody_is_refused_because_a_server_is_not_there_yet(server: DiscordServer) -> None:
    server.gateway.withhold_guilds = True
    async with running(server, pauses=(0.02,) * 200) as desk:
        server.staff.dm("riêng")
        server.staff.write(server.general, "chung")
        assert desk.inbound == []
        server.gateway.send_guilds()
        await desk.next(2)
        assert {message.text for message in desk.inbound} == {"riêng", "chung"}


async def test_who_was_refused_is_asked_about_again_soon(server: DiscordServer) -> None:
    now = 0.0
    async with running(server, clock=lambda: now) as desk:
        roles = server.guild.member_roles[server.stranger.id]
        server.stranger.dm("chưa")
        await server.wait_for(lambda: server.calls("GET", "/members/"))
        roles.append(server.staff_role.id)
        server.stranger.dm("vẫn chưa")
        server.staff.dm("qua")
        await desk.next()
        now = 61.0
        server.stranger.dm("giờ thì được")
        assert (await desk.next(2)).text == "giờ thì được"
        roles.clear()
        server.stranger.dm("còn nhớ")
        assert (await desk.next(3)).text == "còn nhớ"
        now = 362.0
        server.stranger.dm("hết rồi")
        await server.wait_for(lambda: len(server.calls("GET", "/members/")) == 4)
        assert len(desk.inbound) == 3


async def test_a_reply_to_the_bot_needs_no_mention_and_quotes_it(desk: Desk) -> None:
    server = desk.server
    server.staff.write(server.general, "phí ship?")
    first = await desk.next()
    await desk.door.send(first.address, OutboundMessage("Ship **30.000đ**."), key="a")
    answer = server.answers(server.general)[0]
    server.staff.write(server.general, "còn ở Hà Nội?", mention_bot=False, reply_to=answer)
    second = await desk.next(2)
    assert (second.text, second.quoted) == ("còn ở Hà Nội?", "Ship **30.000đ**.")


async def test_a_reply_to_a_person_with_a_mention_asks_about_hisOutboundMessage(desk: Desk) -> None:
    server = desk.server
    question = server.stranger.write(server.general, "shop có ship hoả tốc không?", mention_bot=False)
    server.staff.write(server.general, "", reply_to=question)
    message = await desk.next()
    assert message.text == "shop có ship hoả tốc không?"
    assert message.sender_id == str(server.staff.id)


async def test_a_reply_to_a_person_is_not_for_the_bot(desk: Desk) -> None:
    server = desk.server
    question = server.stranger.write(server.general, "alo", mention_bot=False)
    server.staff.write(server.general, "có đây", mention_bot=False, reply_to=question, ping=True)
    server.staff.write(server.general, "cho bot")
    assert (await desk.next()).text == "cho bot"


async def test_in_a_thread_the_bot_is_asked_by_name_and_the_thread_is_the_address(desk: Desk) -> None:
    server = desk.server
    server.staff.write(server.thread, "nói chuyện với nhau", mention_bot=False)
    server.staff.write(server.thread, "bảo hành?")
    message = await desk.next()
    assert message.text == "bảo hành?"
    assert message.address.chat_id == str(server.thread.id)


async def test_the_role_of_the_bot_is_its_name_too(desk: Desk) -> None:
    server = desk.server
    own = next(role for role in server.guild.roles if role.bot_id == server.state.bot.id)
    server.staff.write(server.general, f"<@&{own.id}> giờ mở cửa?", mention_bot=False)
    assert (await desk.next()).text == "giờ mở cửa?"


async def test_ids_in_the_words_become_names(desk: Desk) -> None:
    server = desk.server
    words = f"<@{server.stranger.id}> ở <#{server.general.id}>, <@&{server.staff_role.id}> <:ok:123456789012345678>"
    server.staff.write(server.general, words + f" <@{server.state.bot.id}> nhé <#123456789012345678>")
    assert (await desk.next()).text == ("@Khách lạ ở #general, @Staff :ok: @Shopdesk nhé <#123456789012345678>")


async def test_the_name_alone_asks_for_help(desk: Desk) -> None:
    desk.server.staff.write(desk.server.general, "")
    message = await desk.next()
    assert (message.command, message.text) == ("help", "")


async def test_a_typed_command_is_a_command(desk: Desk) -> None:
    desk.server.staff.dm("/new")
    assert (await desk.next()).command == "new"


async def test_texts_and_names_are_cleaned(desk: Desk) -> None:
    server = desk.server
    boss = server.add_member("@everyone\u202e\n<script>", server.staff_role)
    boss.write(server.general, "gia\u0301 \u202ebao nhiêu\u0007")
    message = await desk.next()
    assert message.text == "giá bao nhiêu"
    assert message.sender_name == "@everyone <script>"


async def test_a_forwarded_message_is_quoted(desk: Desk) -> None:
    desk.server.staff.dm("khách hỏi thế này", forwarded="shop có xuất hoá đơn không?")
    message = await desk.next()
    assert (message.text, message.quoted) == ("khách hỏi thế này", "shop có xuất hoá đơn không?")


async def test_an_edit_comes_in_under_the_same_id(desk: Desk) -> None:
    server = desk.server
    written = server.staff.write(server.general, "phí sip?")
    await desk.next()
    server.staff.edit(written, f"<@{server.state.bot.id}> phí ship?")
    edited = await desk.next(2)
    assert (edited.message_id, edited.text, edited.edited) == (str(written.id), "phí ship?", True)
    # By its own time one edit is told from the next, and how long it has waited is counted from there.
    assert edited.sent_at == written.edited


async def test_an_edit_that_removes_the_mention_still_comes_in(desk: Desk) -> None:
    server = desk.server
    written = server.staff.write(server.general, "phí sip?")
    await desk.next()
    server.staff.edit(written, "phí ship?")
    assert (await desk.next(2)).text == "phí ship?"


async def test_a_link_preview_is_no_edit(desk: Desk) -> None:
    server = desk.server
    written = server.staff.write(server.general, "xem https://x.vn")
    await desk.next()
    server.staff.unfurl(written)
    server.staff.edit(written, written.content)
    server.staff.write(server.general, "tiếp")
    assert (await desk.next(2)).text == "tiếp"


async def test_edits_of_words_that_were_not_for_the_bot_stay_out(desk: Desk) -> None:
    server = desk.server
    written = server.staff.write(server.general, "chuyện riêng", mention_bot=False)
    server.staff.edit(written, "chuyện riêng, sửa")
    server.staff.write(server.general, "tiếp")
    assert (await desk.next()).text == "tiếp"


async def test_order_holds_inside_a_channel(desk: Desk) -> None:
    server = desk.server
    for number in range(30):
        server.staff.write(server.general, str(number))
    await desk.next(30)
    assert [message.text for message in desk.inbound] == [str(number) for number in range(30)]


async def test_a_channel_does_not_wait_for_another(server: DiscordServer) -> None:
    server.fault("GET", "/members/", delay=30.0)
    async with running(server) as desk:
        server.staff.dm("wartet")
        server.staff.write(server.general, "sofort")
        assert (await desk.next()).text == "sofort"


async def test_attachments_keep_kind_name_and_size_and_can_be_fetched(desk: Desk) -> None:
    server = desk.server
    files = [
        server.host_file("áo.png", b"png", "image/png"),
        server.host_file("a.mp3", b"mp3", "audio/mpeg"),
        server.host_file("a.mp4", b"mp4", "video/mp4"),
        server.host_file("a.pdf", b"pdf", "application/pdf"),
    ]
    server.staff.write(server.general, "cái này", attachments=files)
    message = await desk.next()
    assert [one.kind for one in message.attachments] == ["photo", "audio", "video", "file"]
    assert message.attachments[0].media_type == "image/png"
    assert message.attachments[0].name == "áo.png"
    assert message.attachments[0].size == 3
    assert await desk.door.download(message.attachments[0], limit=1_000_000) == b"png"


async def test_a_picture_without_words_comes_in_as_a_picture(desk: Desk) -> None:
    server = desk.server
    server.staff.write(server.general, "", attachments=[server.host_file("a.png", b"png", "image/png")])
    message = await desk.next()
    assert (message.text, message.command, len(message.attachments)) == ("", None, 1)


async def test_a_message_that_was_not_taken_is_handed_on_again(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.failures += [ShopdeskError("disk"), ShopdeskError("disk")]
    desk.server.staff.write(desk.server.general, "lần ba")
    assert (await desk.next()).text == "lần ba"
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 2
    assert "lần ba" not in caplog.text.split("Traceback")[0]


async def test_a_message_that_is_never_taken_does_not_stop_the_next(desk: Desk) -> None:
    desk.failures += [ShopdeskError("disk")] * 3
    desk.server.staff.write(desk.server.general, "mất")
    desk.server.staff.write(desk.server.general, "còn")
    assert (await desk.next()).text == "còn"


async def test_who_wrote_a_message_that_is_never_taken_is_told_so(desk: Desk) -> None:
    server = desk.server
    desk.failures += [ShopdeskError("fault")] * 3
    written = server.staff.write(server.general, "mất")
    await server.wait_for(lambda: server.answers(server.general))
    [told] = server.answers(server.general)
    assert (told.content, told.replied_to, told.pinged()) == (SENTENCES["en"]["not_taken"], written, set())


async def test_while_the_disk_is_full_messages_wait_in_order_and_their_writer_knows(desk: Desk) -> None:
    server = desk.server
    desk.failures += [StorageFull("no room")] * 8
    server.staff.write(server.general, "một")
    server.staff.write(server.general, "hai")
    await desk.next(2)
    assert [message.text for message in desk.inbound] == ["một", "hai"]
    [told] = server.calls("POST", f"/channels/{server.general.id}/messages$")
    assert told.body["content"] == SENTENCES["en"]["not_taken"]
    await server.wait_for(lambda: not server.answers(server.general))


async def test_a_message_that_was_not_taken_is_asked_for_in_the_next_session(desk: Desk) -> None:
    server = desk.server
    server.staff.write(server.general, "trước")
    await desk.next()
    desk.failures += [ShopdeskError("fault")] * 3
    server.staff.write(server.general, "lỡ")
    await server.wait_for(lambda: server.answers(server.general))
    server.gateway.invalidate()
    assert (await desk.next(2)).text == "lỡ"


async def test_an_edit_of_a_message_that_still_waits_is_known_as_one(desk: Desk) -> None:
    server = desk.server
    desk.failures += [StorageFull("no room")] * 8
    written = server.staff.write(server.general, "phí sip?")
    await server.wait_for(lambda: server.answers(server.general))
    server.staff.edit(written, "phí ship?")
    await desk.next(2)
    assert [message.text for message in desk.inbound] == ["phí sip?", "phí ship?"]


async def test_no_more_waits_than_there_is_room_for(caplog: pytest.LogCaptureFixture) -> None:
    room = list[bool]()
    lines = Deliveries(capacity=2, on_room=lambda: room.append(True))
    gate, done = asyncio.Event(), list[int]()

    async def work(number: int) -> None:
        await gate.wait()
        done.append(number)

    taken = [lines.add(1, partial(work, number)) for number in range(4)]
    taken.append(lines.add(2, partial(work, 4)))
    assert taken == [True, True, False, False, False]
    gate.set()
    await eventually(lambda: done == [0, 1])
    assert room == [True, True]
    assert lines.add(1, partial(work, 5))
    await eventually(lambda: done == [0, 1, 5])
    await lines.close()


async def test_without_a_role_administrators_are_staff(server: DiscordServer) -> None:
    boss = server.add_member("Sếp", server.add_role("Quản trị", "ADMINISTRATOR"))
    async with running(server, staff_role_id=None) as desk:
        server.staff.write(server.general, "không")
        boss.write(server.general, "có")
        server.owner.dm("cũng có")
        await desk.next(2)
        assert {message.text for message in desk.inbound} == {"có", "cũng có"}


async def test_without_a_role_nobody_is_staff_in_two_servers(server: DiscordServer) -> None:
    other = server.add_guild("Nhà người lạ")
    elsewhere = server.add_channel("general", guild=other)
    thief = server.add_member("Trộm", server.add_role("Chủ", "ADMINISTRATOR", guild=other), guild=other)
    async with running(server, staff_role_id=None) as desk:
        thief.write(elsewhere, "cho xem")
        thief.dm("cho xem")
        interaction = thief.ask(elsewhere, "cho xem")
        await server.wait_for(lambda: interaction.response)
        assert interaction.response is not None
        assert interaction.response.ephemeral
        assert desk.inbound == []
        assert desk.ready == ["as @Shopdesk in 2 servers, answering nobody until DISCORD_STAFF_ROLE_ID is set"]


async def test_the_role_of_another_server_does_not_count(server: DiscordServer) -> None:
    other = server.add_guild("Nhà người lạ")
    elsewhere = server.add_channel("general", guild=other)
    thief = server.add_member("Trộm", server.add_role("Staff", "ADMINISTRATOR", guild=other), guild=other)
    async with running(server) as desk:
        thief.write(elsewhere, "cho xem")
        thief.dm("cho xem")
        server.staff.dm("tôi")
        assert (await desk.next()).text == "tôi"

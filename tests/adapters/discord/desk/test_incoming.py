"""What staff write in the posts comes in without a mention: words, files, replies, edits, deletions, each once."""

from datetime import UTC, datetime

from bot.chat import InboundMessage, OutboundMessage
from tests.adapters.discord.away import Notebook
from tests.adapters.discord.conftest import Desk
from tests.adapters.discord.desk.conftest import Office, at_work
from tests.servers.discord import DiscordServer


def heard(door: Desk) -> list[tuple[str, str]]:
    return [(_kind(message), message.text) for message in door.inbound]


def _kind(message: InboundMessage) -> str:
    return "deleted" if message.deleted else "edited" if message.edited else "new"


async def test_staff_need_not_name_the_bot_and_others_are_not_heard(office: Office) -> None:
    server = office.server
    post, thread = await office.open()
    await office.write(post, "khách nói")
    server.stranger.write(thread, "tôi không phải nhân viên", mention_bot=False)
    server.staff.write(thread, "chuyện khác", mention_bot=False)
    message = await office.door.next()
    assert (message.address, message.role, message.text) == (post.address, "staff", "chuyện khác")
    assert message.reply_to is None
    server.staff.write(server.general, "không gọi bot", mention_bot=False)
    server.staff.write(thread, "/help", mention_bot=False)
    message = await office.door.next(2)
    assert (message.text, message.command) == ("/help", None)


async def test_words_are_such_as_other_platforms_can_show(office: Office) -> None:
    server = office.server
    _, thread = await office.open()
    text = f"chào <@{server.owner.id}> <:hihi:123456789012345678> ||bí mật|| __đậm__\n-# nhỏ <t:0:R>"
    server.staff.write(thread, text, mention_bot=False)
    message = await office.door.next()
    assert message.text == "chào @Chủ shop :hihi: bí mật **đậm**\nnhỏ 1970-01-01 00:00 UTC"


async def test_a_reply_names_what_it_replies_to_and_files_come_along(office: Office) -> None:
    server = office.server
    post, thread = await office.open()
    written = await office.write(post, "áo này còn không?")
    original = server.messages(thread)[-1]
    server.staff.write(
        thread, "còn ạ", mention_bot=False, reply_to=original, files=[("áo.png", b"\x89PNG", "image/png")]
    )
    message = await office.door.next()
    assert message.hangs_on == written
    assert message.attachments[0].kind == "photo"


async def test_edits_and_deletions_come_in_also_of_what_this_process_never_heard(server: DiscordServer) -> None:
    async with at_work(server) as office:
        _, thread = await office.open()
        old = server.staff.write(thread, "một", mention_bot=False)
        await office.door.next()
    async with at_work(server) as office:
        server.staff.edit(old, "hai")
        edited = await office.door.next()
        assert (edited.message_id, edited.text, edited.edited) == (str(old.id), "hai", True)
        assert edited.sent_at > datetime(2020, 1, 1, tzinfo=UTC)
        server.staff.delete(old)
        deleted = await office.door.next(2)
        assert (deleted.message_id, deleted.deleted, deleted.address) == (str(old.id), True, edited.address)


async def test_what_was_written_and_edited_while_nobody_listened_comes_in(server: DiscordServer) -> None:
    notebook = Notebook()
    async with at_work(server, bookmarks=notebook, bookmark_pause=0.0) as office:
        _, thread = await office.open()
        first = server.staff.write(thread, "một", mention_bot=False)
        await office.door.next()
    server.staff.edit(first, "một, sửa")
    server.staff.write(thread, "hai", mention_bot=False)
    async with at_work(server, bookmarks=notebook, bookmark_pause=0.0) as office:
        await office.door.next(2)
        server.staff.write(thread, "ba", mention_bot=False)
        await office.door.next(3)
        assert heard(office.door) == [("edited", "một, sửa"), ("new", "hai"), ("new", "ba")]


async def test_an_edit_alone_is_found_after_a_while_away(server: DiscordServer) -> None:
    notebook = Notebook()
    async with at_work(server, bookmarks=notebook, bookmark_pause=0.0) as office:
        _, thread = await office.open()
        first = server.staff.write(thread, "một", mention_bot=False)
        await office.door.next()
    server.staff.edit(first, "một, sửa")
    async with at_work(server, bookmarks=notebook, bookmark_pause=0.0) as office:
        await office.door.next()
        assert heard(office.door) == [("edited", "một, sửa")]


async def test_a_deletion_is_found_after_a_while_away_once(server: DiscordServer) -> None:
    notes: dict[str, Notebook] = {"bookmarks": Notebook(), "desk_journal": Notebook()}
    async with at_work(server, bookmark_pause=0.0, **notes) as office:
        _, thread = await office.open()
        written = [server.staff.write(thread, text, mention_bot=False) for text in ("một", "hai", "ba")]
        await office.door.next(3)
    server.staff.delete(written[1])
    async with at_work(server, bookmark_pause=0.0, **notes) as office:
        message = await office.door.next()
        assert (message.message_id, message.deleted) == (str(written[1].id), True)
    async with at_work(server, bookmark_pause=0.0, **notes) as office:
        server.staff.write(thread, "bốn", mention_bot=False)
        await office.door.next()
        assert heard(office.door) == [("new", "bốn")]


async def test_what_is_read_again_after_a_crash_was_not_deleted(server: DiscordServer) -> None:
    bookmarks, journal = Notebook(), Notebook()
    async with at_work(server, bookmarks=bookmarks, desk_journal=journal, bookmark_pause=0.0) as office:
        _, thread = await office.open()
        server.staff.write(thread, "một", mention_bot=False)
        await office.door.next()
        await server.wait_for(lambda: True)
        as_it_was = dict(bookmarks.marks)
        server.staff.write(thread, "hai", mention_bot=False)
        await office.door.next(2)
    # What was read last is not on record yet when the process dies.
    async with at_work(server, bookmarks=Notebook(as_it_was), desk_journal=journal, bookmark_pause=0.0) as office:
        server.staff.write(thread, "ba", mention_bot=False)
        await server.wait_for(lambda: ("new", "ba") in heard(office.door))
        assert all(kind == "new" for kind, _ in heard(office.door))


async def test_who_names_the_bot_in_a_post_asks_it_and_says_nothing_to_the_customer(office: Office) -> None:
    server = office.server
    post, thread = await office.open()
    asked = server.staff.write(thread, "đổi trả trong mấy ngày?")
    message = await office.door.next()
    assert (message.command, message.text, message.address) == ("ask", "đổi trả trong mấy ngày?", post.address)
    assert message.reply_to == str(asked.id)
    await office.door.door.send(post.address, OutboundMessage("7 ngày", reply_to=message.reply_to), key="a")
    assert server.answers(thread)[-1].replied_to is asked
    used = server.staff.ask(thread, "đổi trả?")
    message = await office.door.next(2)
    assert (message.command, message.text, message.address) == ("ask", "đổi trả?", post.address)
    await office.door.door.send(post.address, OutboundMessage("7 ngày", reply_to=message.reply_to), key="b")
    assert used.response is not None
    assert used.response.content == "7 ngày"


async def test_many_who_write_in_private_at_once_leave_room_for_answers(server: DiscordServer) -> None:
    async with at_work(server) as office:
        many = [server.add_member(f"Người {number}") for number in range(30)]
        for one in many:
            one.dm("chào")
        server.staff.dm("chào")
        await office.door.next()
        asked = server.calls("GET", "/members/")
        assert len(asked) == 31
        for first in asked:
            assert sum(first.at <= one.at < first.at + 1.0 for one in asked) <= 11
        assert all(call.status != 429 for call in server.log)

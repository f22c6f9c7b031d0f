"""What customers say stands in their posts: under their names, once, and as it was meant."""

import asyncio

import pytest

from bot.chat import File, MessageRef
from bot.desk import PostMessage
from bot.errors import AccountRejected, MessageGone, RateLimited, Unavailable
from tests.adapters.discord.away import Notebook
from tests.adapters.discord.desk.conftest import LAN, Office, at_work, button, soon, why_not
from tests.servers.discord import DiscordServer


async def test_a_customer_writes_under_his_own_name_and_calls_nobody(office: Office) -> None:
    post, thread = await office.open()
    await office.write(post, "@everyone còn **hàng** không?\n# to", is_plain=True)
    [(author, words)] = office.shown(post)
    assert author == "Lan"
    assert words == "@everyone còn \\*\\*hàng\\*\\* không?\n\\# to"
    message = office.server.messages(thread)[-1]
    assert message.pinged() == set()
    assert message.webhook_id is not None


@pytest.mark.parametrize("name", ["Discord Support", "clyde", "everyone", "  ", "a" * 200, "```x", "@here: #1"])
async def test_a_name_that_discord_keeps_for_itself_is_disguised(office: Office, name: str) -> None:
    post, _ = await office.open()
    await office.desk.write(post, PostMessage(name, "chào"), key="k")
    [(author, words)] = office.shown(post)
    assert words == "chào"
    assert author


async def test_one_webhook_is_found_again_by_the_next_process(server: DiscordServer) -> None:
    for number in range(2):
        async with at_work(server) as office:
            post, _ = await office.open(key=f"case {number}")
            await office.write(post, "chào")
    assert len(server.state.webhooks) == 1


async def test_a_webhook_that_was_deleted_is_made_anew(office: Office) -> None:
    post, _ = await office.open()
    await office.write(post, "một")
    office.server.state.webhooks.clear()
    await office.write(post, "hai", key="k2")
    assert office.shown(post) == [("Lan", "một"), ("Lan", "hai")]


async def test_a_door_that_was_closed_and_opened_again_goes_on(office: Office) -> None:
    post, _ = await office.open()
    ref = MessageRef(post.address, await office.write(post, "một"))
    await office.door.stop()
    with pytest.raises(Unavailable):
        await office.write(post, "hai", key="2")
    office.door.start()
    await soon(lambda: not why_not(office.desk))
    await office.desk.rewrite(ref, PostMessage("Lan", "một, sửa"))
    await office.write(post, "hai", key="2")
    assert office.shown(post) == [("Lan", "một, sửa"), ("Lan", "hai")]
    assert len(office.server.state.webhooks) == 1


async def test_without_the_right_to_webhooks_the_bot_writes_and_says_so(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.server.admin.deny(office.server.forum, "MANAGE_WEBHOOKS")
    post, _ = await office.open()
    ref = MessageRef(post.address, await office.write(post, "chào"))
    assert office.shown(post) == [("Shopdesk", "**Lan**\nchào")]
    assert "Manage Webhooks" in caplog.text
    await office.desk.rewrite(ref, PostMessage("Lan", "chào shop"))
    assert office.shown(post) == [("Shopdesk", "**Lan**\nchào shop")]


@pytest.mark.parametrize("how", ["after", "before"])
async def test_what_was_written_although_nobody_heard_so_stands_there_once(office: Office, how: str) -> None:
    post, _ = await office.open()
    await office.write(post, "ok", key="1")
    office.server.fault("POST", "/webhooks/", cut=how)
    with pytest.raises(Unavailable):
        await office.write(post, "ok", key="2")
    await office.write(post, "ok", key="2")
    await office.write(post, "ok", key="3")
    assert [words for _, words in office.shown(post)] == ["ok"] * 3


async def test_what_a_killed_process_has_written_is_found_by_the_next(server: DiscordServer) -> None:
    notebook = Notebook()
    async with at_work(server, desk_journal=notebook) as office:
        post, _ = await office.open()
        await office.write(post, "ok", key="1")
        server.fault("POST", "/webhooks/", cut="after")
        with pytest.raises(Unavailable):
            await office.write(post, "ok", key="2")
    async with at_work(server, desk_journal=Notebook(notebook.marks)) as office:
        await office.write(post, "ok", key="2")
        assert [words for _, words in office.shown(post)] == ["ok"] * 2


async def test_a_reply_leads_to_what_it_replies_to(office: Office) -> None:
    post, thread = await office.open()
    first = await office.write(post, "một", key="1")
    await office.write(post, "hai", key="2", reply_to=first)
    assert office.shown(post)[-1][1].startswith(
        f"-# ↪ https://discord.com/channels/{office.server.guild.id}/{thread.id}/"
    )


async def test_files_stand_below_the_words(office: Office) -> None:
    post, thread = await office.open()
    await office.write(
        post, "", files=(File("áo.jpg", "image/jpeg", b"\xff\xd8"), File("b.pdf", "application/pdf", b"x"))
    )
    assert [one["filename"] for one in office.server.messages(thread)[-1].attachments] == ["ao.jpg", "b.pdf"]


async def test_an_edit_shows_and_a_deletion_leaves_the_words(office: Office) -> None:
    post, _ = await office.open()
    ref = MessageRef(post.address, await office.write(post, "size M"))
    await office.desk.rewrite(ref, PostMessage("Lan", "size L"))
    assert office.shown(post) == [("Lan", "size L")]
    await office.desk.strike(ref)
    await office.desk.strike(ref)
    assert office.shown(post) == [("Lan", "-# 🗑️ The customer deleted this message:\nsize L")]
    with pytest.raises(MessageGone):
        await office.desk.rewrite(MessageRef(post.address, "123456789012345678"), PostMessage("Lan", "x"))


async def test_a_post_that_was_put_away_is_brought_back_by_words_and_by_edits(office: Office) -> None:
    post, thread = await office.open()
    ref = MessageRef(post.address, await office.write(post, "một"))
    office.server.admin.change(thread, archived=True)
    await office.desk.rewrite(ref, PostMessage("Lan", "hai"))
    assert office.shown(post) == [("Lan", "hai")]
    office.server.admin.change(thread, archived=True)
    await office.write(post, "ba", key="2")
    assert not thread.archived


async def test_a_post_that_somebody_locked_is_opened_where_the_bot_may(office: Office) -> None:
    post, thread = await office.open()
    office.server.admin.change(thread, locked=True, archived=True)
    await office.write(post, "một")
    assert not thread.archived
    assert office.shown(post) == [("Shopdesk", "**Lan**\nmột")]
    office.server.admin.revoke(office.server.guild, "MANAGE_THREADS")
    office.server.admin.change(thread, locked=True, archived=True)
    with pytest.raises(AccountRejected, match="Manage Posts"):
        await office.write(post, "hai", key="2")


async def test_an_old_message_that_may_not_be_changed_now_is_a_limit_and_no_end(office: Office) -> None:
    post, _ = await office.open()
    ref = MessageRef(post.address, await office.write(post, "một"))
    body = {"code": 30046, "message": "Maximum number of edits to messages older than 1 hour reached."}
    office.server.fault("PATCH", "/messages/", status=429, body={"retry_after": 1.0} | body, headers={"Via": ""})
    with pytest.raises(RateLimited):
        await office.desk.rewrite(ref, PostMessage("Lan", "hai"))


async def test_a_post_that_is_gone_is_said_to_be(office: Office) -> None:
    post, thread = await office.open()
    await office.write(post, "một")
    office.server.admin.delete(thread)
    with pytest.raises(MessageGone):
        await office.write(post, "hai", key="2")


async def test_a_message_may_have_buttons(office: Office) -> None:
    post, thread = await office.open()
    await office.write(post, "Dạ còn ạ.", offers=("draft_send", "draft_edit", "draft_discard"))
    assert button(office.server.messages(thread)[-1], "draft_edit")


async def test_words_that_are_far_too_long_are_cut_and_not_refused(office: Office) -> None:
    post, _ = await office.open()
    await office.write(post, "*" * 3000, is_plain=True)
    assert len(office.shown(post)[0][1]) <= 2000


async def test_many_customers_at_once_each_stand_once_in_their_posts(office: Office) -> None:
    opened = [await office.open(LAN, key=f"case {number}") for number in range(6)]

    async def talk(number: int) -> None:
        for turn in range(3):
            await office.write(opened[number][0], f"{number}-{turn}", key=f"{number}-{turn}")

    await asyncio.gather(*map(talk, range(6)))
    for number, (post, _) in enumerate(opened):
        words = [text.removeprefix("**Lan**\n") for _, text in office.shown(post)]
        assert words == [f"{number}-{turn}" for turn in range(3)]

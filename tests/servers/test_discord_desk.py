"""A desk made with the real discord.py works on the loopback Discord: posts, webhooks, files, emoji."""

import io
from collections.abc import AsyncIterator

import aiohttp
import discord
import pytest

from tests.servers.discord import DiscordServer
from tests.servers.discord.world import PINNED, RENAMED
from tests.servers.discord_bot import Bot, connected

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(64))


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer(limits=False) as server:
        yield server


@pytest.fixture
async def bot(server: DiscordServer) -> AsyncIterator[Bot]:
    async with connected(server) as bot:
        yield bot


def picture(name: str = "áo khoác.png") -> discord.File:
    return discord.File(io.BytesIO(PICTURE), name)


async def test_a_post_has_tags_a_card_with_buttons_and_a_file(server: DiscordServer, bot: Bot) -> None:
    waiting = await bot.forum().create_tag(name="Đang chờ")
    await bot.hears("guild_channel_update")
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Nhận", custom_id="case:1:take"))
    post, first = await bot.forum().create_thread(
        name="Khách A", content="Thẻ", view=view, file=picture(), applied_tags=[waiting]
    )
    assert first.id == post.id
    assert [tag.name for tag in post.applied_tags] == ["Đang chờ"]
    told = await bot.hears("thread_create")
    assert (told.id, told.parent_id) == (post.id, server.forum.id)
    (shown,) = server.answers(post.id)
    assert shown.components[0]["components"][0]["custom_id"] == "case:1:take"
    assert server.cdn.data(shown.attachments[0]) == PICTURE
    assert (shown.attachments[0]["filename"], shown.attachments[0]["title"]) == ("o_khoc.png", "áo khoác")
    (call,) = server.calls("POST", "/threads$")
    assert (call.body["name"], call.files[0].data) == ("Khách A", PICTURE)


async def test_a_post_that_is_put_away_comes_back_with_the_next_message(server: DiscordServer, bot: Bot) -> None:
    post, first = await bot.forum().create_thread(name="Khách A", content="Thẻ")
    await post.edit(archived=True, name="Xong: Khách A")
    with pytest.raises(discord.HTTPException) as refused:
        await first.edit(content="khác")
    assert refused.value.code == 50083
    assert [one.id async for one in bot.forum().archived_threads()] == [post.id]
    server.staff.write(server.state.channels[post.id], "còn nữa", mention_bot=False)
    await bot.hears("raw_thread_update", lambda event: not event.data["thread_metadata"]["archived"])
    assert post.id in [one.id for one in await bot.guilds[0].active_threads()]


async def test_a_new_name_and_a_pin_are_messages_of_whoever_did_it(server: DiscordServer, bot: Bot) -> None:
    server.staff.rename(server.thread, "Ca tối")
    server.staff.pin(server.staff.write(server.thread, "ghim", mention_bot=False))
    renamed = await bot.hears("message", lambda message: message.type.value == RENAMED)
    assert (renamed.author.id, renamed.content) == (server.staff.id, "Ca tối")
    pinned = await bot.hears("message", lambda message: message.type.value == PINNED)
    assert pinned.reference is not None


async def test_a_webhook_writes_edits_and_deletes_in_a_post_under_the_name_of_a_customer(
    server: DiscordServer, bot: Bot
) -> None:
    post, _ = await bot.forum().create_thread(name="Khách A", content="Thẻ")
    webhook = await bot.forum().create_webhook(name="Quầy")
    assert [one.id for one in await bot.forum().webhooks()] == [webhook.id]
    sent = await webhook.send("chào", username="Nguyễn Văn A", thread=post, wait=True, files=[picture("a.png")])
    told = await bot.hears("message", lambda message: message.webhook_id == webhook.id)
    assert (told.id, told.author.name, told.author.bot, told.content) == (sent.id, "Nguyễn Văn A", True, "chào")
    await sent.edit(content="chào shop", attachments=[])
    shown = server.messages(post.id)[-1]
    assert (shown.content, shown.attachments, shown.pinged()) == ("chào shop", [], set())
    await sent.delete()
    assert await bot.hears("raw_message_delete", lambda event: event.message_id == sent.id)
    await webhook.delete()
    with pytest.raises(discord.NotFound) as gone:
        await webhook.send("còn không", thread=post)
    assert gone.value.code == 10015


async def test_files_of_people_can_be_read_until_they_are_gone(server: DiscordServer, bot: Bot) -> None:
    written = server.staff.write(server.thread, "", mention_bot=False, files=[("a.png", PICTURE, "image/png")])
    shown, (attachment,) = (await bot.hears("message")).attachments[0], written.attachments
    assert await shown.read() == PICTURE
    server.staff.edit(written, "không ảnh", attachments=[])
    edited = await bot.hears("raw_message_edit")
    assert edited.data["attachments"] == []
    server.cdn.lose(attachment)
    with pytest.raises(discord.NotFound):
        await shown.read()


async def test_emoji_come_and_go_with_events_and_a_count(server: DiscordServer, bot: Bot) -> None:
    own = server.admin.add_emoji(server.guild, "xong")
    written = server.staff.write(server.thread, "a", mention_bot=False)
    message = await bot.hears("message")
    await message.add_reaction("✅")
    await message.add_reaction("✅")
    await message.add_reaction(f"<:{own}>")
    server.staff.react(written, "✅")
    event = await bot.hears("raw_reaction_add", lambda event: event.user_id == server.staff.id)
    assert (str(event.emoji), event.member.id) == ("✅", server.staff.id)
    assert [(one.name, len(one.users)) for one in written.reactions.values()] == [("✅", 2), ("xong", 1)]
    first = (await message.fetch()).reactions[0]
    assert (str(first), first.me, first.count) == ("✅", True, 2)
    await message.remove_reaction("✅", bot.user)
    server.staff.remove(written, "✅")
    await bot.hears("raw_reaction_remove", lambda event: event.user_id == server.staff.id)
    assert [one.name for one in written.reactions.values()] == ["xong"]
    with pytest.raises(discord.HTTPException) as refused:
        await message.add_reaction("nope")
    assert refused.value.code == 10014


async def test_what_people_delete_is_told_and_then_unknown(server: DiscordServer, bot: Bot) -> None:
    post, first = await bot.forum().create_thread(name="Khách A", content="Thẻ")
    written = [server.staff.write(server.state.channels[post.id], word, mention_bot=False) for word in "abc"]
    server.admin.purge(written[:2])
    many = await bot.hears("raw_bulk_message_delete")
    assert many.message_ids == {one.id for one in written[:2]}
    server.staff.delete(server.messages(post.id)[0])
    assert (await bot.hears("raw_message_delete")).message_id == first.id
    server.admin.delete(server.state.channels[post.id])
    assert (await bot.hears("raw_thread_delete")).thread_id == post.id
    with pytest.raises(discord.NotFound) as gone:
        await post.send("đâu rồi")
    assert gone.value.code == 10003
    server.admin.delete(server.forum)
    assert (await bot.hears("guild_channel_delete")).id == server.forum.id
    fresh = await bot.guilds[0].create_forum("tickets", available_tags=[discord.ForumTag(name="Mới")])
    assert (await fresh.create_thread(name="Khách A", content="Thẻ")).thread.parent_id == fresh.id


async def test_a_bot_that_is_thrown_out_is_told_and_sees_nothing_more(server: DiscordServer, bot: Bot) -> None:
    general = bot.text()
    server.admin.kick_bot(server.guild)
    await bot.hears("guild_remove")
    server.staff.write(server.general, "chưa thấy")
    with pytest.raises(discord.Forbidden) as refused:
        await general.send("a")
    assert refused.value.code == 50001
    with pytest.raises(discord.NotFound) as unknown:
        await bot.fetch_guild(server.guild.id)
    assert unknown.value.code == 10004
    server.admin.invite_bot(server.guild)
    await bot.hears("guild_join")
    server.staff.write(server.general, "đã thấy")
    assert "đã thấy" in (await bot.hears("message")).content


async def test_permissions_that_are_taken_are_known_to_the_library(server: DiscordServer, bot: Bot) -> None:
    may = bot.forum().permissions_for(bot.guilds[0].me)
    assert (may.manage_webhooks, may.manage_threads, may.manage_channels, may.add_reactions) == (True,) * 4
    server.admin.deny(server.forum, "MANAGE_WEBHOOKS")
    await bot.hears("guild_channel_update")
    assert not bot.forum().permissions_for(bot.guilds[0].me).manage_webhooks
    with pytest.raises(discord.Forbidden) as refused:
        await bot.forum().create_webhook(name="Quầy")
    assert refused.value.code == 50013
    server.admin.revoke(server.guild, "MANAGE_THREADS")
    await bot.hears("guild_role_update")
    assert not bot.forum().permissions_for(bot.guilds[0].me).manage_threads


async def test_a_failure_after_the_fact_doubles_what_a_webhook_says_and_not_what_has_a_nonce(
    server: DiscordServer, bot: Bot
) -> None:
    webhook = await bot.text().create_webhook(name="Quầy")
    server.fault("POST", f"/webhooks/{webhook.id}/", status=502, applied=True)
    server.fault("POST", "/messages$", status=502, applied=True)
    await webhook.send("hai lần", wait=True)
    await bot.text().send("một lần")
    assert [one.content for one in server.messages(server.general)] == ["hai lần", "hai lần", "một lần"]


async def test_a_file_can_fail_to_come_like_any_call(server: DiscordServer, bot: Bot) -> None:
    server.staff.write(server.thread, "", mention_bot=False, files=[("a.png", PICTURE, "image/png")])
    attachment = (await bot.hears("message")).attachments[0]
    server.fault("GET", "^/attachments/", status=500)
    with pytest.raises(discord.HTTPException):
        await attachment.read()
    server.fault("GET", "^/attachments/", cut="before", times=2)  # aiohttp itself tries a GET twice
    with pytest.raises(aiohttp.ClientError):
        await attachment.read()
    assert await attachment.read() == PICTURE


async def test_nothing_is_changed_in_a_thread_that_was_put_away(server: DiscordServer, bot: Bot) -> None:
    written = server.staff.write(server.thread, "a", mention_bot=False)
    message = await bot.hears("message")
    server.admin.change(server.thread, archived=True)
    for change in (server.staff.edit, server.staff.react, server.staff.remove):
        with pytest.raises(PermissionError):
            change(written, "✅")
    with pytest.raises(discord.HTTPException) as refused:
        await message.add_reaction("✅")
    assert refused.value.code == 50083
    server.staff.delete(written)
    assert (await bot.hears("raw_message_delete")).message_id == written.id


async def test_the_library_keeps_to_the_limit_of_a_webhook() -> None:
    async with DiscordServer(window=0.2) as server, connected(server) as bot:
        webhook = await bot.text().create_webhook(name="Quầy")
        for count in range(6):
            await webhook.send(str(count), wait=True)
        at = [call.at for call in server.calls("POST", f"/webhooks/{webhook.id}/")]
        assert [call.status for call in server.calls("POST", f"/webhooks/{webhook.id}/")] == [200] * 6
        assert at[5] - at[0] >= 1.9
        assert server.log[-1].query["wait"] == "1"

"""Staff see what became of their words, and are told what they must know outside of the posts."""

from typing import Any

import pytest

from bot.chat import MessageRef
from bot.errors import AccountRejected, MessageGone, Unavailable
from tests.adapters.discord.away import Notebook
from tests.adapters.discord.desk.conftest import Office, at_work
from tests.servers.discord import DiscordServer, Message


def reactions(message: Message) -> list[str]:
    return list(message.reactions)


async def test_a_mark_takes_the_place_of_an_earlier_one_and_a_failure_has_its_reason(office: Office) -> None:
    post, thread = await office.open()
    written = office.server.staff.write(thread, "dạ còn ạ", mention_bot=False)
    ref = MessageRef(post.address, str(written.id))
    await office.desk.mark(ref, "failed", "Khách đã chặn bot @everyone")
    assert reactions(written) == ["⚠"]
    [(_, reason)] = [one for one in office.shown(post) if one[0] == "Shopdesk"]
    assert reason == "-# ⚠️ Khách đã chặn bot @everyone"
    assert office.server.messages(thread)[-1].replied_to is written
    assert office.server.messages(thread)[-1].pinged() == set()
    await office.desk.mark(ref, "delivered")
    assert reactions(written) == ["✅"]
    assert [author for author, _ in office.shown(post)] == ["Lan"]


async def test_a_mark_of_an_earlier_process_is_replaced_too(server: DiscordServer) -> None:
    async with at_work(server) as office:
        post, thread = await office.open()
        written = server.staff.write(thread, "dạ", mention_bot=False)
        await office.desk.mark(MessageRef(post.address, str(written.id)), "note")
    async with at_work(server) as office:
        await office.desk.mark(MessageRef(post.address, str(written.id)), "delivered")
        assert reactions(written) == ["✅"]


async def test_a_message_that_is_gone_is_said_to_be(office: Office) -> None:
    post, thread = await office.open()
    written = office.server.staff.write(thread, "dạ", mention_bot=False)
    office.server.staff.delete(written)
    with pytest.raises(MessageGone):
        await office.desk.mark(MessageRef(post.address, str(written.id)), "delivered")


async def test_without_the_right_to_react_work_goes_on(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.server.admin.deny(office.server.forum, "ADD_REACTIONS")
    post, thread = await office.open()
    written = office.server.staff.write(thread, "dạ", mention_bot=False)
    ref = MessageRef(post.address, str(written.id))
    await office.desk.mark(ref, "delivered")
    assert "Add Reactions" in caplog.text
    await office.desk.mark(ref, "failed", "chặn")
    assert office.shown(post)[-1][1] == "-# ⚠️ chặn"


def with_alerts(server: DiscordServer, **options: Any) -> Any:
    return at_work(server, alerts_channel_id=server.general.id, **options)


async def test_an_alert_calls_the_staff_and_nobody_else_once(server: DiscordServer) -> None:
    async with with_alerts(server) as office:
        await office.desk.alert("Khách mới: @everyone <@&1>", key="1")
        await office.desk.alert("Khách mới: @everyone <@&1>", key="1")
        [alert] = server.answers(server.general)
        assert alert.pinged() == {str(server.staff_role.id)}
        assert "Khách mới" in alert.content


async def test_an_alert_that_nobody_heard_of_is_there_once_also_after_a_crash(server: DiscordServer) -> None:
    notebook = Notebook()
    async with with_alerts(server, desk_journal=notebook) as office:
        server.fault("POST", "/messages$", cut="after")
        with pytest.raises(Unavailable):
            await office.desk.alert("Khách mới", key="1")
    async with with_alerts(server, desk_journal=notebook) as office:
        await office.desk.alert("Khách mới", key="1")
        assert len(server.answers(server.general)) == 1


async def test_an_alert_links_to_a_post(server: DiscordServer) -> None:
    async with with_alerts(server) as office:
        post, thread = await office.open()
        await office.desk.alert(f"[Lan]({office.desk.link(post.address)}) đang chờ", key="1")
        assert f"/{thread.id})" in server.answers(server.general)[-1].content


async def test_a_channel_in_which_the_bot_may_not_write_is_named(server: DiscordServer) -> None:
    server.general.denied.add("SEND_MESSAGES")
    async with with_alerts(server) as office:
        with pytest.raises(AccountRejected, match="Send Messages"):
            await office.desk.alert("Khách mới", key="1")


async def test_without_a_channel_an_alert_is_only_logged_and_not_its_words(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    await office.desk.alert("Lan 0901234567", key="case 1")
    assert "DISCORD_ALERTS_CHANNEL_ID" in caplog.text
    assert "0901234567" not in caplog.text

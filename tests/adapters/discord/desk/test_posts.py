"""The posts of the desk: opened once, with tags and cards that follow the case."""

from dataclasses import replace

import pytest

from bot.desk import Person
from bot.errors import AccountRejected, MessageGone, Unavailable
from tests.adapters.discord.away import Notebook
from tests.adapters.discord.desk.conftest import LAN, Office, at_work, button, soon, why_not
from tests.servers.discord import Channel, DiscordServer


def tags(office: Office, thread: Channel) -> list[str]:
    names = {tag["id"]: tag["name"] for tag in office.server.forum.available_tags}
    return [names[tag] for tag in thread.applied_tags]


async def test_a_post_has_a_title_a_tag_a_card_and_buttons(office: Office) -> None:
    post, thread = await office.open()
    assert thread.name == "Lan · đổi trả"
    assert tags(office, thread) == ["Waiting"]
    card = office.card(post)
    assert "đơn 1234" in card.embeds[0]["description"]
    assert card.id == thread.id
    assert button(card, "take")
    assert office.desk.is_post(post.address)
    assert not office.desk.is_post(replace(post.address, chat_id=str(thread.id)))


async def test_a_post_that_was_opened_although_nobody_heard_so_is_found_again(office: Office) -> None:
    office.server.fault("POST", "/threads$", cut="after")
    with pytest.raises(Unavailable):
        await office.open()
    post, thread = await office.open()
    assert office.posts() == [thread]
    other, _ = await office.open(key="case 2")
    assert other != post
    assert len(office.posts()) == 2


async def test_a_post_that_a_killed_process_has_opened_is_found_by_the_next(server: DiscordServer) -> None:
    notebook = Notebook()
    async with at_work(server, desk_journal=notebook) as office:
        server.fault("POST", "/threads$", cut="after")
        with pytest.raises(Unavailable):
            await office.open()
    async with at_work(server, desk_journal=Notebook(notebook.marks)) as office:
        await office.open()
        assert len(office.posts()) == 1


async def test_card_tags_and_title_follow_the_case(office: Office) -> None:
    post, thread = await office.open()
    human = replace(LAN, title="Lan · hoàn tiền", state="human", taken_by=Person("1", "Hoa*"), labels=("vip",))
    assert await office.desk.show_card(post, human) == post
    card = office.card(post)
    assert "Hoa\\*" in card.embeds[0]["description"]
    assert tags(office, thread) == ["With a person", "vip"]
    assert thread.name == "Lan · hoàn tiền"
    assert button(card, "release")
    edits = len(office.server.calls("PATCH", "/messages/"))
    await office.desk.show_card(post, human)
    assert len(office.server.calls("PATCH", "/messages/")) == edits


async def test_a_title_is_changed_no_more_often_than_discord_allows(office: Office) -> None:
    post, thread = await office.open()
    for number in range(5):
        await office.desk.show_card(post, replace(LAN, title=f"Lan {number}"))
    assert thread.name == "Lan 1"
    assert not [call for call in office.server.calls("PATCH", r"/channels/\d+$") if call.status == 429]


async def test_a_post_that_was_put_away_comes_back_unless_the_case_is_resolved(office: Office) -> None:
    post, thread = await office.open()
    done = replace(LAN, state="resolved")
    await office.desk.show_card(post, done)
    office.server.admin.change(thread, archived=True)
    await office.desk.show_card(post, done)
    assert thread.archived
    await office.desk.show_card(post, replace(LAN, state="waiting"))
    assert not thread.archived
    assert tags(office, thread) == ["Waiting"]


async def test_a_card_that_was_deleted_is_written_anew_and_a_post_that_was_is_gone(office: Office) -> None:
    post, thread = await office.open()
    office.server.state.remove(office.card(post))
    again = await office.desk.show_card(post, replace(LAN, state="human"))
    assert again.card_id != post.card_id
    assert "đơn 1234" in office.card(again).embeds[0]["description"]
    office.server.admin.delete(thread)
    with pytest.raises(MessageGone):
        await office.desk.show_card(again, LAN)


async def test_the_oldest_resolved_post_makes_room_for_a_new_one(office: Office) -> None:
    post, thread = await office.open()
    await office.desk.show_card(post, replace(LAN, state="resolved"))
    office.server.fault("POST", "/threads$", status=400, body={"code": 160006, "message": "Maximum number of active"})
    await office.open(key="case 2")
    assert thread.archived


async def test_a_permission_that_is_missing_is_named_in_one_sentence(office: Office) -> None:
    office.server.admin.deny(office.server.forum, "SEND_MESSAGES")
    with pytest.raises(AccountRejected, match="Send Messages"):
        await office.open()


async def test_without_the_right_to_make_tags_posts_go_without(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.server.admin.deny(office.server.forum, "MANAGE_CHANNELS")
    _, thread = await office.open()
    assert thread.applied_tags == []
    assert "Manage Channel" in caplog.text


async def test_no_forum_and_no_server_are_told_to_the_operator(server: DiscordServer) -> None:
    async with at_work(server) as office:
        server.admin.kick_bot(server.guild)
        await soon(lambda: "in no server" in why_not(office.desk))
        with pytest.raises(AccountRejected, match="invite it"):
            await office.open()
    assert office.posts() == []


async def test_a_hostile_title_is_a_title(office: Office) -> None:
    _, thread = await office.open(replace(LAN, title="\u202e  @everyone\n" + "x" * 300))
    assert thread.name.startswith("@everyone x")
    assert len(thread.name) == 100
    _, blank = await office.open(replace(LAN, title=" \u200b "), key="case 2")
    assert blank.name == "—"

"""What customers write reaches `receive`: at least once, in order, and nothing blocks it."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telegram.error import Conflict

from adapters.telegram.fields import Malformed
from adapters.telegram.inbound import Me, inbound
from adapters.telegram.intake import Intake
from adapters.telegram.platform import TelegramPlatform
from adapters.telegram.rival import Rival
from bot.chat import Address, InboundMessage, UnreadableUpdate
from bot.errors import AccountRejected, StorageFull, Unavailable
from tests.adapters.telegram.conftest import Inbox, Item, no_sleep, running
from tests.servers.telegram import TelegramServer


async def test_a_message_arrives_with_who_wrote_it(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    lan = server.customer(7, "Lan", "vi")
    async with running(platform, inbox):
        number = lan.write("Cho mình hỏi phí ship")
        (message,) = await inbox.messages(1)
    assert inbox.ready == ["as @shop_bot"]
    assert message.message_id == f"7:{number}"
    assert message.address == Address("telegram", "7")
    assert (message.sender_id, message.sender_name, message.language) == ("7", "Lan", "vi")
    assert message.text == "Cho mình hỏi phí ship"
    assert message.sent_at.utcoffset() is not None
    assert message.reply_to is None


async def test_what_was_written_while_the_bot_was_away_arrives_in_order(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    lan = server.customer(7)
    for number in range(150):
        lan.write(f"{number}")
    async with running(platform, inbox):
        messages = await inbox.messages(150)
    assert [message.text for message in messages] == [str(number) for number in range(150)]


async def test_updates_that_come_out_of_order_are_taken_in_as_they_were_numbered(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    lan, mai = server.customer(7), server.customer(8)
    for number in range(3):
        lan.write(f"Lan {number}")
        mai.write(f"Mai {number}")
    server.account.waiting.reverse()
    async with running(platform, inbox):
        messages = await inbox.messages(6)
    for name in ("Lan", "Mai"):
        assert [one.text for one in messages if one.text.startswith(name)] == [
            f"{name} {number}" for number in range(3)
        ]


async def test_an_update_is_confirmed_only_after_it_was_stored(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    lan = server.customer(7)
    gate = asyncio.Event()

    async def slow(item: Item) -> None:
        await inbox.receive(item)
        await gate.wait()

    lan.write("giữ giúp mình")
    task = asyncio.create_task(platform.run(slow, inbox.on_ready))
    await inbox.messages(1)
    assert [update["message"]["text"] for update in server.account.waiting] == ["giữ giúp mình"]
    gate.set()
    await server.wait_for(lambda: not server.account.waiting)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_message_comes_again_when_the_program_died_before_it_was_stored(
    server: TelegramServer, inbox: Inbox
) -> None:
    lan = server.customer(7)
    lan.write("một")
    lan.write("hai")
    entered = asyncio.Event()

    async def dies(item: Item) -> None:
        entered.set()
        await asyncio.Event().wait()

    first = TelegramPlatform(token=server.token, api_url=server.url)
    task = asyncio.create_task(first.run(dies, inbox.on_ready))
    await entered.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await first.close()

    second = TelegramPlatform(token=server.token, api_url=server.url)
    async with running(second, inbox):
        messages = await inbox.messages(2)
    await second.close()
    assert [message.text for message in messages] == ["một", "hai"]


async def test_a_full_disk_keeps_messages_at_telegram_until_there_is_room(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    tries: list[str] = []

    def refuse(item: Item) -> None:
        assert isinstance(item, InboundMessage)
        tries.append(item.text)
        if len(tries) < 4:
            raise StorageFull("no room")

    inbox.refuse = refuse
    lan = server.customer(7)
    lan.write("một")
    lan.write("hai")
    async with running(platform, inbox):
        messages = await inbox.messages(2)
    assert tries == ["một", "một", "một", "một", "hai"]
    assert [message.text for message in messages] == ["một", "hai"]


async def test_a_message_that_trips_over_a_fault_of_ours_is_kept_and_stops_no_other(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    def refuse(item: Item) -> None:
        if isinstance(item, InboundMessage) and item.text == "xui":
            raise ZeroDivisionError

    inbox.refuse = refuse
    lan = server.customer(7)
    lan.write("xui")
    lan.write("may")
    async with running(platform, inbox):
        await inbox.until(lambda: len(inbox.items) == 2)
    first, second = inbox.items
    assert isinstance(first, UnreadableUpdate)
    assert "xui" in first.raw
    assert isinstance(second, InboundMessage)
    assert second.text == "may"


@pytest.mark.parametrize(
    "poison",
    [
        {"message": {"message_id": "no number", "chat": 5}},
        {"message": {"message_id": 1, "date": "yesterday", "chat": {"id": 7, "type": "private"}}},
        {"message": {"message_id": 1, "date": 1, "chat": {"id": 7}, "photo": {"new": "shape"}}},
        {"message": []},
        {"message": "text"},
        {"edited_message": {"entities": 7}},
        {"message": {"message_id": 1, "date": 10**30, "chat": {"id": 7, "type": "private"}}},
    ],
)
async def test_an_update_that_cannot_be_read_stops_no_other(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox, poison: dict[str, object]
) -> None:
    server.push_update(poison)
    server.push_update({"some_future_update": {"id": 1}})
    server.customer(7).write("vẫn tới chứ?")
    async with running(platform, inbox):
        await inbox.until(lambda: any(isinstance(item, InboundMessage) for item in inbox.items))
        await server.wait_for(lambda: not server.account.waiting)
    assert [item.text for item in inbox.items if isinstance(item, InboundMessage)] == ["vẫn tới chứ?"]
    parked = [item for item in inbox.items if isinstance(item, UnreadableUpdate)]
    assert len(parked) <= 1
    assert all(item.platform == "telegram" and item.update_id and item.raw for item in parked)


async def test_words_are_read_though_something_unknown_came_with_them(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    server.customer(7).write("còn hàng không?", link_preview_options="a shape that the library does not know")
    async with running(platform, inbox):
        (message,) = await inbox.messages(1)
    assert message.text == "còn hàng không?"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud800", "@shop_bot"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_FIELDS = st.sampled_from(
    [
        *("message_id", "date", "chat", "from", "text", "entities", "caption", "photo", "document", "reply_to_message"),
        *("quote", "media_group_id", "message_thread_id", "is_topic_message", "location", "contact", "voice", "poll"),
        *("venue", "animation", "sticker", "caption_entities", "edit_date", "is_automatic_forward", "game"),
    ]
)


_LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "entities": st.lists(st.fixed_dictionaries({"type": st.just("mention"), "offset": _JSON, "length": _JSON})),
        "photo": st.lists(st.fixed_dictionaries({"file_id": _JSON, "width": _JSON, "height": st.integers()})),
        "document": st.fixed_dictionaries({"file_id": _JSON, "mime_type": _JSON}),
        "reply_to_message": st.fixed_dictionaries({"from": _JSON, "text": _JSON}),
        "location": st.fixed_dictionaries({"latitude": _JSON, "longitude": st.floats()}),
        "media_group_id": _JSON,
    },
)


@given(
    st.dictionaries(_FIELDS, _JSON, max_size=4) | _LIKELY,
    st.sampled_from(["message", "edited_message"]),
    st.sampled_from(["private", "supergroup"]),
)
@settings(max_examples=300, deadline=None)
def test_any_object_in_a_message_is_read_or_parked_and_can_be_stored(
    fields: dict[str, Any], kind: str, place: str
) -> None:
    async def receive(item: Item) -> None: ...

    intake = Intake(me=Me(1, "shop_bot"), platform="telegram", receive=receive)
    person = {"id": 7, "is_bot": False, "first_name": "Lan"}
    chat = {"id": 7, "type": place}
    message = {"message_id": 1, "date": 1, "chat": chat, "from": person, "text": "@shop_bot hi", **fields}
    update = {"update_id": 1, kind: message}
    with suppress(Malformed):
        inbound(update, Me(1, "shop_bot"), platform="telegram")
    item = intake.read(update)
    if isinstance(item, InboundMessage):
        (item.text + item.quoted + item.sender_name).encode()
    elif item is not None:
        item.raw.encode()


async def test_a_second_program_on_the_token_is_told_apart(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    other = TelegramPlatform(token=server.token, api_url=server.url)
    async with running(platform, inbox) as task:
        await server.wait_for(lambda: server.account.poller)
        async with running(other, Inbox()):
            with pytest.raises(AccountRejected, match="Another program polls this token"):
                await task
    await other.close()


async def test_who_polled_the_token_first_is_not_disturbed_by_a_second_program(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    lan, other, late = server.customer(7), TelegramPlatform(token=server.token, api_url=server.url), Inbox()
    async with running(platform, inbox):
        lan.write("một")
        await inbox.messages(1)
        for number in range(3):
            with pytest.raises(AccountRejected, match="Another program polls this token"):
                await other.run(late.receive, late.on_ready)
            lan.write(f"{number}")
            await inbox.messages(2 + number)
    await other.close()
    assert late.items == []


def test_two_programs_that_both_think_they_were_first_come_to_an_end() -> None:
    now = 0.0
    rival = Rival(tolerated=3, window=60.0, clock=lambda: now)
    rival.polled()
    assert [rival.can_be_ignored(Conflict("terminated by other getUpdates")) for _ in range(4)] == [True] * 3 + [False]
    now = 100.0
    assert rival.can_be_ignored(Conflict("terminated by other getUpdates"))
    assert not rival.can_be_ignored(Conflict("can't use getUpdates method while webhook is active"))


@pytest.mark.parametrize("token", ["1000001:another-token-of-that-length-000", "rubbish"])
async def test_a_wrong_token_is_one_sentence_without_the_token(
    server: TelegramServer, inbox: Inbox, token: str
) -> None:
    platform = TelegramPlatform(token=token, api_url=server.url)
    with pytest.raises(AccountRejected, match="TELEGRAM_BOT_TOKEN") as caught:
        await platform.run(inbox.receive, inbox.on_ready)
    await platform.close()
    assert token not in str(caught.value)
    assert token not in repr(platform)


async def test_a_cut_long_poll_is_no_news_and_a_series_of_them_is(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    lan = server.customer(7)
    server.fail("cut", "getUpdates", times=2)
    async with running(platform, inbox) as task:
        lan.write("còn đó không?")
        await inbox.messages(1)
        server.fail("bad_gateway", "getUpdates")
        lan.write("còn không?")
        with pytest.raises(Unavailable):
            await task


async def test_it_can_be_run_again_after_it_broke(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    server.customer(7).write("một")
    fault = server.fail("error", "getMe")
    with pytest.raises(Unavailable):
        await platform.run(inbox.receive, inbox.on_ready)
    fault.stop()
    async with running(platform, inbox):
        await server.wait_for(lambda: not server.account.waiting)
    server.customer(7).write("hai")
    async with running(platform, inbox):
        messages = await inbox.messages(2)
    assert [message.text for message in messages] == ["một", "hai"]


async def test_a_flood_wait_before_anything_was_said_is_waited_out(server: TelegramServer, inbox: Inbox) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await asyncio.sleep(0)

    platform = TelegramPlatform(token=server.token, api_url=server.url, sleep=sleep)
    server.fail("flood", "getMe", times=1, seconds=4)
    server.fail("flood", "getUpdates", times=1, seconds=9)
    server.customer(7).write("một")
    async with running(platform, inbox):
        await inbox.messages(1)
    await platform.close()
    assert waited == [4.0, 9.0]


async def test_everything_that_a_customer_can_send_arrives_as_what_it_is(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    lan = server.customer(7)
    for send in (lan.photo, lan.voice, lan.video, lan.sticker, lan.location, lan.contact, lan.poll):
        send()
    lan.document("a.png", "image/png", b"png")
    lan.document("a.pdf", "application/pdf", b"pdf")
    async with running(platform, inbox):
        messages = await inbox.messages(9)
    assert [message.attachments[0].kind for message in messages] == [
        *("photo", "voice", "video", "sticker", "location", "contact", "other", "photo", "file")
    ]


async def test_edits_and_replies_arrive(server: TelegramServer, platform: TelegramPlatform, inbox: Inbox) -> None:
    lan = server.customer(7)
    first = lan.write("size M")
    lan.edit(first, "size L")
    lan.write("còn không?", reply_to=first)
    async with running(platform, inbox):
        messages = await inbox.messages(3)
    assert [(message.text, message.edited, message.quoted) for message in messages] == [
        ("size M", False, ""),
        ("size L", True, ""),
        ("còn không?", False, "size L"),
    ]
    assert messages[0].message_id == messages[1].message_id


async def test_in_a_group_only_what_addresses_the_bot_arrives(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    group = server.group()
    lan, minh = group.member(7, "Lan"), group.member(8, "Minh")
    lan.write("ai biết không?")
    asked = minh.write("@shop_bot phí ship?")
    lan.write("/help@shop_bot")
    lan.write("/help@other_bot")
    async with running(platform, inbox):
        messages = await inbox.messages(2)
        await server.wait_for(lambda: not server.account.waiting)
    assert len(inbox.items) == 2
    assert [(message.sender_id, message.text, message.command) for message in messages] == [
        ("8", "phí ship?", None),
        ("7", "", "help"),
    ]
    assert messages[0].reply_to == str(asked)


async def test_the_menu_is_registered_in_each_language_and_a_failure_stops_nothing(
    server: TelegramServer, inbox: Inbox
) -> None:
    commands = {"vi": {"new": "Bắt đầu lại"}, "en": {"new": "Start afresh"}}
    platform = TelegramPlatform(token=server.token, api_url=server.url, commands=commands, sleep=no_sleep)
    server.fail("error", "setMyCommands", times=1)
    server.customer(7).write("một")
    async with running(platform, inbox):
        await inbox.messages(1)
    async with running(platform, inbox):
        await server.wait_for(lambda: len(server.account.commands) == 3)
    await platform.close()
    assert server.account.commands[("default", "vi")] == [{"command": "new", "description": "Bắt đầu lại"}]
    assert server.account.commands[("default", "en")] == [{"command": "new", "description": "Start afresh"}]
    assert ("default", "") in server.account.commands


async def test_the_menu_takes_new_words_while_the_door_is_open(server: TelegramServer, inbox: Inbox) -> None:
    platform = TelegramPlatform(
        token=server.token, api_url=server.url, commands={"vi": {"new": "Bắt đầu lại"}}, sleep=no_sleep
    )
    async with running(platform, inbox):
        await server.wait_for(lambda: len(server.account.commands) == 2)
        platform.show_commands({"vi": {"new": "Hỏi chuyện khác"}})
        wanted = [{"command": "new", "description": "Hỏi chuyện khác"}]
        await server.wait_for(lambda: server.account.commands[("default", "")] == wanted)
    await platform.close()
    assert server.account.commands[("default", "vi")] == wanted


async def test_nothing_that_waits_is_dropped_when_a_webhook_is_taken_down(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    await platform._bot.set_webhook("https://example.org/x")
    server.account.push({"message": {}})
    server.account.waiting.clear()
    lan = server.customer(7)
    lan.write("một")
    async with running(platform, inbox):
        await inbox.messages(1)
    (call,) = server.calls("deleteWebhook")
    assert call.params.get("drop_pending_updates") in (None, "false", "False")


async def test_a_block_and_other_events_are_ignored_quietly(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    lan = server.customer(7)
    lan.block()
    lan.unblock()
    server.push_update({"channel_post": {"message_id": 1, "date": 1, "chat": {"id": -1001, "type": "channel"}}})
    lan.write("một")
    async with running(platform, inbox):
        await inbox.messages(1)
    assert len(inbox.items) == 1

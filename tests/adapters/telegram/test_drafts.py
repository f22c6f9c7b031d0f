"""Answers that grow as drafts, and what becomes of them where the server has none."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.telegram.drafts import draft_id_of
from adapters.telegram.platform import TelegramPlatform
from bot.chat import Address, InboundMessage, MessageRef, OutboundMessage, UnreadableUpdate
from bot.errors import AccountRejected, MessageRefused, RateLimited, RecipientGone, Unavailable
from tests.adapters.telegram.conftest import Inbox, no_sleep, running
from tests.servers.telegram import TelegramServer
from tests.servers.telegram.texts import Refused

HERE = Address("telegram", "7")


@pytest.fixture
async def door(server: TelegramServer) -> AsyncIterator[TelegramPlatform]:
    server.customer(7)
    door = TelegramPlatform(token=server.token, api_url=server.url, drafts=True, sleep=no_sleep)
    yield door
    await door.close()


async def grow(door: TelegramPlatform, text: str, ref: MessageRef | None = None, **more: Any) -> MessageRef:
    message = OutboundMessage(text, growing=True)
    at = more.get("at", HERE)
    return await door.edit(ref, message) if ref else await door.send(at, message, key=more.get("key", "reply-1"))


def methods(server: TelegramServer) -> list[tuple[str, int]]:
    return [(call.method, call.status) for call in server.log]


async def test_an_answer_grows_as_a_draft_and_is_sent_when_it_is_complete(
    server: TelegramServer, door: TelegramPlatform
) -> None:
    ref = await grow(door, "Dạ, **phí")
    assert ref == await grow(door, "Dạ, **phí ship**", ref)
    assert server.texts(7) == []
    assert server.drafts(7) == ["Dạ, phí ship"]
    assert ref.lasts is not None
    assert ref.lasts < 30
    sent = await door.edit(ref, OutboundMessage("Dạ, **phí ship** là 30k."))
    assert server.texts(7) == ["Dạ, phí ship là 30k."]
    assert server.drafts(7) == []
    assert sent == MessageRef(HERE, str(server.messages(7)[0].message_id))
    await door.edit(sent, OutboundMessage("Dạ, 30k."))
    assert server.texts(7) == ["Dạ, 30k."]
    assert {call.status for call in server.log} == {200}


async def test_a_draft_has_its_formatting_its_number_and_a_stop_button(
    server: TelegramServer, door: TelegramPlatform
) -> None:
    await grow(door, "Dạ, **phí ship**", key="reply-17")
    (call,) = server.calls("sendMessageDraft")
    (draft,) = server.account.chats[7].visible_drafts()
    assert draft.draft_id == draft_id_of("reply-17") != 0
    assert [entity["type"] for entity in draft.entities] == ["bold"]
    assert draft.can_stop
    assert "link_preview_options" not in call.params


def test_every_key_has_a_number_that_telegram_takes() -> None:
    numbers = {draft_id_of(f"reply-{number}") for number in range(20_000)}
    assert all(0 < number < 2**31 for number in numbers)
    assert len(numbers) > 19_900


async def test_what_is_complete_at_once_is_sent_at_once(server: TelegramServer, door: TelegramPlatform) -> None:
    await door.send(HERE, OutboundMessage("Dạ vâng."), key="k")
    assert methods(server) == [("sendMessage", 200)]


async def test_in_groups_an_answer_grows_as_a_message(server: TelegramServer, door: TelegramPlatform) -> None:
    group = server.group(-100123)
    ref = await grow(door, "Dạ", at=Address("telegram", str(group.chat_id)))
    assert ref.lasts is None
    await grow(door, "Dạ vâng", ref)
    assert server.texts(group.chat_id) == ["Dạ vâng"]
    assert server.calls("sendMessageDraft") == []


async def test_a_draft_stays_in_its_topic(server: TelegramServer, door: TelegramPlatform) -> None:
    server.customer(7).write("a", thread_id=9)
    ref = await grow(door, "Dạ", at=Address("telegram", "7", "9"))
    await door.edit(ref, OutboundMessage("Dạ vâng"))
    (draft,) = server.calls("sendMessageDraft")
    assert draft.params["message_thread_id"] == "9"
    assert [shown.thread_id for shown in server.messages(7)] == [9]


async def test_without_drafts_nothing_is_said_of_them(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    server.customer(7)
    async with running(platform, inbox):
        ref = await grow(platform, "Dạ")
    assert ref.lasts is None
    assert server.texts(7) == ["Dạ"]
    assert server.account.allowed == frozenset({"message", "edited_message", "callback_query"})


async def test_a_server_without_drafts_is_found_out_once_and_the_reply_goes_on_as_a_message(
    server: TelegramServer, door: TelegramPlatform
) -> None:
    server.account.knows_drafts = False
    ref = await grow(door, "Dạ")
    assert server.texts(7) == ["Dạ"]
    assert await grow(door, "Dạ vâng", ref) == ref
    await grow(door, "Khác", key="reply-2")
    assert server.texts(7) == ["Dạ vâng", "Khác"]
    assert len(server.calls("sendMessageDraft")) == 1


async def test_a_server_without_the_button_gets_drafts_without_it(
    server: TelegramServer, door: TelegramPlatform
) -> None:
    server.account.knows_can_stop = False
    ref = await grow(door, "Dạ")
    await grow(door, "Dạ vâng", ref)
    assert server.drafts(7) == ["Dạ vâng"]
    assert methods(server) == [("sendMessageDraft", 400), ("sendMessageDraft", 200), ("sendMessageDraft", 200)]


async def test_of_many_at_once_only_the_first_finds_out_that_there_are_no_drafts(
    server: TelegramServer, door: TelegramPlatform
) -> None:
    server.account.knows_drafts = False
    server.latency = 0.05
    for chat in range(100, 130):
        server.customer(chat)
    at = [Address("telegram", str(chat)) for chat in range(100, 130)]
    await asyncio.gather(*(grow(door, "Dạ", at=one) for one in at))
    assert len(server.calls("sendMessageDraft")) == 1
    assert len(server.calls("sendMessage", status=200)) == 30


@pytest.mark.parametrize(
    "refusal", [Refused(400, "Bad Request: TEXTDRAFT_PEER_INVALID"), Refused(403, "Forbidden: no drafts")]
)
async def test_a_refusal_in_the_middle_of_a_reply_loses_nothing_and_shows_nothing_twice(
    server: TelegramServer, door: TelegramPlatform, refusal: Refused
) -> None:
    ref = await grow(door, "Dạ")
    server.fail("refuse", "sendMessageDraft", refusal=refusal)
    moved = await grow(door, "Dạ vâng", ref)
    assert moved.lasts is None
    assert server.texts(7) == ["Dạ vâng"]
    assert server.drafts(7) == []
    await door.edit(moved, OutboundMessage("Dạ vâng ạ."))
    await grow(door, "Khác", key="reply-2")
    assert server.texts(7) == ["Dạ vâng ạ.", "Khác"]
    assert len(server.calls("sendMessageDraft", status=200)) == 1
    assert len(server.calls("sendMessageDraft")) == 2


async def test_a_refusal_in_one_chat_is_none_in_another(server: TelegramServer, door: TelegramPlatform) -> None:
    server.customer(8)
    await grow(door, "Dạ")
    server.fail("refuse", "sendMessageDraft", chat_id=8, refusal=Refused(400, "Bad Request: TEXTDRAFT_PEER_INVALID"))
    await grow(door, "Dạ", at=Address("telegram", "8"))
    assert server.texts(8) == ["Dạ"]
    assert (await grow(door, "Dạ", key="reply-2")).lasts is not None


async def test_a_429_is_waited_for_and_not_evaded_by_a_message(server: TelegramServer, door: TelegramPlatform) -> None:
    server.fail("flood", "sendMessageDraft", seconds=17, times=1)
    with pytest.raises(RateLimited) as error:
        await grow(door, "Dạ")
    assert error.value.retry_after == 17
    assert server.calls("sendMessage") == []
    assert (await grow(door, "Dạ")).lasts is not None


@pytest.mark.parametrize("kind", ["cut", "apply_and_cut", "error", "bad_gateway"])
async def test_a_draft_whose_line_broke_can_have_left_no_message_behind(
    server: TelegramServer, door: TelegramPlatform, kind: Any
) -> None:
    server.fail(kind, "sendMessageDraft", times=1)
    with pytest.raises(Unavailable) as error:
        await grow(door, "Dạ")
    assert not error.value.maybe_applied
    await grow(door, "Dạ")
    assert server.drafts(7) == ["Dạ"]
    assert server.texts(7) == []


async def test_a_final_whose_line_broke_may_be_there(server: TelegramServer, door: TelegramPlatform) -> None:
    ref = await grow(door, "Dạ")
    server.fail("apply_and_cut", "sendMessage", times=1)
    with pytest.raises(Unavailable) as error:
        await door.edit(ref, OutboundMessage("Dạ vâng."))
    assert error.value.maybe_applied
    assert server.texts(7) == ["Dạ vâng."]


async def test_a_customer_who_blocked_the_bot_is_gone_and_no_reason_to_give_drafts_up(
    server: TelegramServer, door: TelegramPlatform
) -> None:
    lan = server.customer(7)
    lan.block()
    with pytest.raises(RecipientGone):
        await grow(door, "Dạ")
    with pytest.raises(RecipientGone):
        await grow(door, "Dạ", at=Address("telegram", "404"))
    lan.unblock()
    assert (await grow(door, "Dạ")).lasts is not None


async def test_a_draft_whose_formatting_is_refused_is_shown_without(
    server: TelegramServer, door: TelegramPlatform
) -> None:
    server.fail("refuse_entities", "sendMessageDraft")
    ref = await grow(door, "Dạ, **phí**")
    assert ref.lasts is not None
    assert server.drafts(7) == ["Dạ, phí"]


async def test_a_text_that_no_message_can_hold_is_refused_and_no_reason_to_give_drafts_up(
    server: TelegramServer, door: TelegramPlatform
) -> None:
    for text in ("a" * 4097, "\u200b", ""):
        with pytest.raises(MessageRefused):
            await grow(door, text)
    assert (await grow(door, "Dạ")).lasts is not None


async def test_a_token_that_is_rejected_is_no_server_without_drafts(server: TelegramServer) -> None:
    door = TelegramPlatform(token="1000001:AAwrong-token-of-the-loopback-server", api_url=server.url, drafts=True)
    with pytest.raises(AccountRejected):
        await grow(door, "Dạ")
    await door.close()


async def test_who_presses_stop_under_a_draft_says_stop(
    server: TelegramServer, door: TelegramPlatform, inbox: Inbox
) -> None:
    async with running(door, inbox):
        await server.wait_for(lambda: server.account.poller)
        server.customer(7).write("phí ship?", thread_id=9)
        await grow(door, "Dạ", at=Address("telegram", "7", "9"))
        number = server.stop_pressed(7)
        asked, stop = await inbox.messages(2)
    assert stop.command == "stop"
    assert stop.address == asked.address
    assert stop.message_id == f"7:stop-{number}"
    assert (stop.sender_id, stop.sender_name, stop.text) == ("7", "Lan", "")


@pytest.mark.parametrize(
    "pressed", [{}, [], None, "x", {"chat": None}, {"chat": {"id": "7"}}, {"chat": {"id": True}}, {"chat": [7]}]
)
async def test_a_press_that_cannot_be_read_stops_no_other(
    server: TelegramServer, door: TelegramPlatform, inbox: Inbox, pressed: Any
) -> None:
    server.push_update({"stopped_message_generation": pressed})
    server.push_update(
        {"stopped_message_generation": {"chat": {"id": 7, "first_name": 5}, "message_thread_id": "x", "draft_id": None}}
    )
    async with running(door, inbox):
        await inbox.until(lambda: any(isinstance(item, InboundMessage) for item in inbox.items))
    stops = [item for item in inbox.items if isinstance(item, InboundMessage)]
    assert [(stop.command, stop.address, stop.sender_name) for stop in stops] == [("stop", HERE, "7")]
    assert all(isinstance(item, UnreadableUpdate) for item in inbox.items[:-1])

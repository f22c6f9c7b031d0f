"""Files that go out, and the button that asks for a person."""

import asyncio
from typing import Any

import pytest

from adapters.telegram.platform import TelegramPlatform
from bot.chat import Address, File, OutboundMessage
from bot.errors import MessageRefused, RateLimited
from tests.adapters.telegram.conftest import Inbox, no_sleep, running
from tests.servers.telegram import TelegramServer
from tests.servers.telegram.people import JPEG

HERE = Address("telegram", "7")
PHOTO = File("áo.jpg", "image/jpeg", JPEG)
PDF = File("hoá đơn.pdf", "application/pdf", b"%PDF")


async def send(platform: TelegramPlatform, text: str, *files: File, **fields: Any) -> str:
    return (await platform.send(HERE, OutboundMessage(text, files=files, **fields), key="k")).message_id


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (PHOTO, "photo"),
        (PDF, "document"),
        (File("a.gif", "image/gif", b"GIF8"), "document"),
        (File("a.mp3", "audio/mpeg", b"ID3"), "audio"),
        (File("a.ogg", "audio/ogg", b"OggS"), "voice"),
        (File("a.mp4", "video/mp4", b"ftyp"), "video"),
        (File("big.jpg", "image/jpeg", JPEG + b"x" * 10_000_001), "document"),
    ],
)
async def test_a_file_is_shown_as_what_it_is_with_its_words(
    server: TelegramServer, platform: TelegramPlatform, file: File, kind: str
) -> None:
    server.customer(7)
    sent = await send(platform, "**Của bạn** đây ạ", file)
    [shown] = server.messages(7)
    assert sent == str(shown.message_id)
    assert kind in shown.raw
    assert shown.text == "Của bạn đây ạ"
    assert shown.entities[0]["type"] == "bold"
    assert list(server.account.files.values())[-1][1] == file.data


async def test_photos_are_an_album_and_other_files_follow_behind_the_words(
    server: TelegramServer, platform: TelegramPlatform
) -> None:
    server.customer(7)
    await send(platform, "Ảnh *áo*", PHOTO, PHOTO)
    assert len({shown.raw["media_group_id"] for shown in server.messages(7)}) == 1
    assert server.texts(7) == ["Ảnh áo", ""]
    await send(platform, "Và hoá đơn", PHOTO, PDF)
    assert server.texts(7)[2:] == ["Và hoá đơn", "", ""]
    assert server.messages(7)[-1].raw["document"]["file_name"] == "hoá đơn.pdf"


async def test_words_that_are_no_caption_any_more_come_first(
    server: TelegramServer, platform: TelegramPlatform
) -> None:
    server.customer(7)
    await send(platform, "a" * 1025, PHOTO)
    assert [len(text) for text in server.texts(7)] == [1025, 0]


async def test_a_file_may_come_without_words_and_its_words_can_be_edited(
    server: TelegramServer, platform: TelegramPlatform
) -> None:
    server.customer(7)
    ref = await platform.send(HERE, OutboundMessage("", files=(PHOTO,)), key="k")
    await platform.edit(ref, OutboundMessage("Áo **mới**"))
    await platform.edit(ref, OutboundMessage("Áo **mới**"))
    assert server.texts(7) == ["Áo mới"]


async def test_what_telegram_never_takes_is_refused_before_anything_is_sent(
    server: TelegramServer, platform: TelegramPlatform
) -> None:
    server.customer(7)
    with pytest.raises(MessageRefused):
        await send(platform, "x", PHOTO, File("big", "video/mp4", b"x" * 50_000_001))
    with pytest.raises(MessageRefused):
        await send(platform, "x", File("no.jpg", "image/jpeg", b"not an image"))
    assert server.texts(7) == []
    assert platform.limits.files == 10


async def test_a_flood_between_two_files_shows_none_of_them_twice(
    server: TelegramServer, platform: TelegramPlatform
) -> None:
    server.customer(7)
    server.fail("flood", "sendDocument", seconds=1, times=1)
    await send(platform, "x", PHOTO, PDF)
    assert len(server.messages(7)) == 3
    server.fail("flood", "sendPhoto", seconds=1, times=1)
    with pytest.raises(RateLimited):
        await send(platform, "x", PHOTO)


async def test_the_button_asks_for_a_person_once_and_goes(server: TelegramServer, inbox: Inbox) -> None:
    platform = TelegramPlatform(
        token=server.token, api_url=server.url, sleep=no_sleep, person_button=lambda: "Gặp nhân viên"
    )
    lan = server.customer(7)
    async with running(platform, inbox):
        ref = await platform.send(HERE, OutboundMessage("Dạ", growing=True), key="k")
        await platform.edit(ref, OutboundMessage("Dạ còn ạ.", offers_person=True))
        [shown] = server.messages(7)
        assert shown.raw["reply_markup"]["inline_keyboard"][0][0]["text"] == "Gặp nhân viên"
        lan.press(shown.message_id, "human")
        [message] = await inbox.messages(1)
        assert (message.command, message.address, message.sender_name) == ("human", HERE, "Lan")
        await server.wait_for(lambda: not server.account.presses and "reply_markup" not in shown.raw)
    await platform.close()


async def test_the_command_asks_for_a_person_too_and_reply_is_none(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    lan = server.customer(7)
    lan.write("/human cho em hỏi")
    lan.write("/reply x")
    async with running(platform, inbox):
        first, second = await inbox.messages(2)
    assert (first.command, first.text) == ("human", "cho em hỏi")
    assert (second.command, second.text) == (None, "/reply x")


async def test_what_a_message_replies_to_is_named_as_it_is_known_here(
    server: TelegramServer, platform: TelegramPlatform, inbox: Inbox
) -> None:
    lan = server.customer(7)
    async with running(platform, inbox):
        ref = await platform.send(HERE, OutboundMessage("Dạ"), key="k")
        own = lan.write("alo", reply_to=int(ref.message_id))
        lan.write("alo?", reply_to=own)
        first, second = await inbox.messages(2)
    assert first.hangs_on == ref.message_id
    assert second.hangs_on == first.message_id


async def test_a_press_that_is_not_stored_comes_again(server: TelegramServer, inbox: Inbox) -> None:
    platform = TelegramPlatform(
        token=server.token, api_url=server.url, sleep=no_sleep, person_button=lambda: "Gặp nhân viên"
    )
    lan = server.customer(7)
    ref = await platform.send(HERE, OutboundMessage("Dạ", offers_person=True), key="k")
    lan.press(int(ref.message_id), "human")
    await asyncio.sleep(0)
    assert len(server.account.presses) == 1
    async with running(platform, inbox):
        await inbox.messages(1)
        await server.wait_for(lambda: not server.account.presses)
    await platform.close()

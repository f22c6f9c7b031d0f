"""Files that go out to the page, and the button that asks for a person."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from adapters.web.shelf import LARGEST_FILE
from bot.chat import File, MessageRef, OutboundMessage
from bot.errors import MessageRefused
from bot.storage.database import Database
from bot.storage.shelf import StoredShelf
from tests.adapters.web.shop import Shop, open_shop
from tests.adapters.web.visitor import Thread, visitor

PHOTO = File("áo.png", "image/png", b"\x89PNG")
PAGE = File('a".html', "text/html", b"<script>alert(1)</script>")


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as shop:
        yield shop


async def test_a_file_is_shown_and_handed_out_to_its_reader_alone(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice, visitor(shop.web.url) as eve:
        await alice.say("áo?")
        await shop.web.send(shop.address, OutboundMessage("đây ạ", files=(PHOTO, PAGE)), key="r1")
        await alice.watch(lambda thread: "r1" in thread.messages)
        first, second = alice.thread.messages["r1"]["files"]
        assert (first["name"], first["type"], first["size"]) == ("áo.png", "image/png", 4)
        async with alice.http.get(f"{shop.web.url}files/{first['token']}") as answer:
            assert (answer.status, await answer.read()) == (200, PHOTO.data)
            assert answer.content_type == "image/png"
            assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''%C3%A1o.png"
            assert answer.headers["x-content-type-options"] == "nosniff"
        async with alice.http.get(f"{shop.web.url}files/{second['token']}") as answer:
            assert answer.content_type == "application/octet-stream"
            assert answer.headers["content-disposition"].startswith("attachment")
            assert "sandbox" in answer.headers["content-security-policy"]
        await eve.say("x")
        async with eve.http.get(f"{shop.web.url}files/{first['token']}") as answer:
            assert answer.status == 404
        async with aiohttp.ClientSession() as nobody, nobody.get(f"{shop.web.url}files/{first['token']}") as answer:
            assert answer.status == 404


async def test_files_are_still_there_after_a_restart_and_gone_with_their_message(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "shop.db")
    shelf = StoredShelf(database, "web")
    async with open_shop(shelf=shelf) as shop, visitor(shop.web.url) as alice:
        await alice.say("áo?")
        at = shop.address
        await shop.web.send(at, OutboundMessage("đây ạ", files=(PHOTO,)), key="r1")
        await shop.web.send(at, OutboundMessage("đây ạ", files=(PHOTO,)), key="r1")
        shop.keep(at, "r1", "assistant", "đây ạ")
        past, cookies = shop.past, alice.http.cookie_jar
        async with open_shop(shelf=shelf) as again, aiohttp.ClientSession(cookie_jar=cookies) as session:
            again.past = past
            alice.http, alice.url = session, again.web.url
            alice.thread = Thread()
            await alice.watch(lambda thread: thread.ready)
            [file] = alice.thread.messages["r1"]["files"]
            async with session.get(f"{again.web.url}files/{file['token']}") as answer:
                assert await answer.read() == PHOTO.data
            await again.web.delete(MessageRef(at, "r1"))
            async with session.get(f"{again.web.url}files/{file['token']}") as answer:
                assert answer.status == 404
    await database.close()


async def test_an_edit_keeps_the_files(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("áo?")
        ref = await shop.web.send(shop.address, OutboundMessage("đây", files=(PHOTO,)), key="r1")
        await shop.web.edit(ref, OutboundMessage("đây ạ"))
        await alice.watch(lambda thread: thread.messages.get("r1", {}).get("text") == "đây ạ")
        assert len(alice.thread.messages["r1"]["files"]) == 1


async def test_a_file_that_is_too_large_is_refused(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("áo?")
        with pytest.raises(MessageRefused):
            await shop.web.send(
                shop.address, OutboundMessage("x", files=(File("a", "a/b", b"x" * (LARGEST_FILE + 1)),)), key="r1"
            )


async def test_the_button_asks_for_a_person_and_goes_in_every_tab(shop: Shop) -> None:
    async with visitor(shop.web.url) as alice:
        await alice.say("áo?")
        await shop.web.send(shop.address, OutboundMessage("đây ạ", offers_person=True), key="r1")
        await alice.watch(lambda thread: thread.messages.get("r1", {}).get("offers") is True)
        assert (await alice.post("api/human"))[0] == 202
        assert shop.received[-1].command == "human"
        await alice.watch(lambda thread: not thread.messages["r1"]["offers"])

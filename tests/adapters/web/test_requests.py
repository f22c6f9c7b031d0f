import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.errors import StorageError, StorageFull
from tests.adapters.web.shop import Shop, open_shop
from tests.adapters.web.visitor import Visitor, visitor

_KEY = "5d670743-482c-46eb-ac03-a1d97216b05b"


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as shop:
        yield shop


@pytest.fixture
async def alice(shop: Shop) -> AsyncIterator[Visitor]:
    async with visitor(shop.web.url) as alice:
        yield alice


async def test_a_message_is_stored_before_it_is_accepted(shop: Shop, alice: Visitor) -> None:
    key = await alice.say("  Xin chào\r\nshop \u202e ", language="vi-VN")
    message = shop.received[0]
    assert message.text == "Xin chào\nshop"
    assert message.message_id.endswith(key)
    assert message.language == "vi"
    assert message.role == "customer"
    assert message.sender_id == message.address.chat_id
    assert re.fullmatch("[0-9a-f]{64}", message.address.chat_id)


async def test_the_same_message_posted_twice_has_one_id_and_is_shown_once(shop: Shop, alice: Visitor) -> None:
    key = str(uuid.uuid4())
    assert [(await alice.post(id=key, text="one"))[0] for _ in range(2)] == [202, 202]
    assert len({message.message_id for message in shop.received}) == 1
    await alice.watch(lambda thread: thread.ready)
    assert alice.thread.texts == [("customer", "one")]


async def test_two_visitors_cannot_take_each_others_ids(shop: Shop, alice: Visitor) -> None:
    key = str(uuid.uuid4())
    async with visitor(shop.web.url) as bob:
        await alice.post(id=key, text="hers")
        await bob.post(id=key, text="his")
    assert len({message.message_id for message in shop.received}) == 2


@pytest.mark.parametrize("error", [StorageError("damaged"), StorageFull("full")])
async def test_what_cannot_be_stored_is_refused_and_not_shown(shop: Shop, alice: Visitor, error: Exception) -> None:
    shop.fail = error
    status, answer = await alice.post(text="lost?", language="vi")
    assert status == 503
    assert "chưa nhận được" in answer["message"]
    await alice.watch(lambda thread: thread.ready)
    assert alice.thread.texts == []


async def test_a_fresh_start_that_is_not_stored_leaves_everything_as_it_was(shop: Shop, alice: Visitor) -> None:
    await alice.say("still here")
    await alice.watch(lambda thread: thread.ready)
    shop.fail = StorageError("damaged")
    assert (await alice.post("api/new"))[0] == 503
    await alice.watch(lambda thread: thread.ready and bool(thread.texts))
    assert alice.thread.texts == [("customer", "still here")]


async def test_a_fresh_start_that_is_posted_again_takes_nothing_of_what_came_behind_it(
    shop: Shop, alice: Visitor
) -> None:
    await alice.say("before")
    key = str(uuid.uuid4())
    assert (await alice.post("api/new", id=key))[0] == 202
    await alice.say("behind")
    # As the page does when the answer to its post was lost.
    assert (await alice.post("api/new", id=key))[0] == 202
    await alice.watch(lambda thread: thread.ready)
    assert alice.thread.texts == [("customer", "behind")]


async def test_a_fresh_start_that_was_not_stored_begins_afresh_when_it_is_posted_again(
    shop: Shop, alice: Visitor
) -> None:
    await alice.say("before")
    key = str(uuid.uuid4())
    shop.fail = StorageError("damaged")
    assert (await alice.post("api/new", id=key))[0] == 503
    shop.fail = None
    assert (await alice.post("api/new", id=key))[0] == 202
    await alice.watch(lambda thread: thread.ready)
    assert alice.thread.texts == []


async def test_stop_becomes_a_command(shop: Shop, alice: Visitor) -> None:
    assert (await alice.post("api/stop"))[0] == 202
    assert [message.command for message in shop.received] == ["stop"]


@pytest.mark.parametrize("text", ["", "   ", "\n\t\n", "\u0301\u0301", "\u200b", "\u202e", "\U000e0041"])
async def test_what_nobody_can_see_is_refused_with_a_sentence(shop: Shop, alice: Visitor, text: str) -> None:
    status, answer = await alice.post(text=text, language="vi")
    assert (status, answer["message"]) == (422, "Tin nhắn chưa có nội dung.")
    assert shop.received == []


@pytest.mark.parametrize(
    "text", ["🙂", "ca\u0301i a\u0301o", "مرحبا", "<script>alert(1)</script>", "@everyone", "\x00\ud800a", "x" * 8_000]
)
async def test_unusual_texts_arrive_clean(shop: Shop, alice: Visitor, text: str) -> None:
    await alice.say(text)
    shop.received[0].text.encode("utf-8")
    await alice.watch(lambda thread: thread.ready)
    assert alice.thread.texts == [("customer", shop.received[0].text)]


async def test_a_long_text_is_refused_with_its_length_and_the_limit(shop: Shop, alice: Visitor) -> None:
    status, answer = await alice.post(text="ắ" * 8_001, language="vi")
    assert status == 413
    assert "8.001" in answer["message"]
    assert "8.000" in answer["message"]
    status, answer = await alice.post(text="x" * 100_000, language="en")
    assert status == 413
    assert "8" in answer["message"]
    assert shop.received == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"null",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"id": 1' + b"0" * 5000 + b"}",
        json.dumps({"id": "x", "text": "a"}).encode(),
        json.dumps({"id": _KEY}).encode(),
        json.dumps({"id": _KEY, "text": ["a"]}).encode(),
        json.dumps({"id": _KEY + "\n", "text": "a"}).encode(),
    ],
)
async def test_a_malformed_body_is_a_400_with_a_sentence(shop: Shop, alice: Visitor, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    async with alice.http.post(alice.url + "api/messages", data=body, headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["message"]
    assert shop.received == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[::1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
async def test_a_post_from_elsewhere_is_refused(
    shop: Shop, alice: Visitor, headers: dict[str, str], status: int
) -> None:
    body = json.dumps({"id": str(uuid.uuid4()), "text": "x"})
    sent = {"content-type": "application/json"} | headers
    for path in ("api/messages", "api/new", "api/stop"):
        async with alice.http.post(alice.url + path, data=body, headers=sent) as response:
            assert response.status == status
    assert shop.received == []


async def test_a_post_from_our_own_page_is_taken(shop: Shop, alice: Visitor) -> None:
    body = {"id": str(uuid.uuid4()), "text": "x"}
    origin = alice.url.rstrip("/")
    async with alice.http.post(alice.url + "api/messages", json=body, headers={"origin": origin}) as response:
        assert response.status == 202


async def test_an_endless_body_is_cut_off_with_a_sentence(alice: Visitor) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 8_192

    headers = {"content-type": "application/json"}
    try:
        async with alice.http.post(alice.url + "api/messages", data=endless(), headers=headers) as response:
            assert response.status == 413
    except aiohttp.ClientOSError:
        pass  # Cut off while still sending.


async def test_a_flood_of_one_visitor_is_refused_and_others_do_not_notice() -> None:
    now = [0.0]
    async with open_shop(clock=lambda: now[0]) as shop, visitor(shop.web.url) as alice, visitor(shop.web.url) as bob:
        statuses = [(await alice.post(text="x"))[0] for _ in range(31)]
        assert statuses == [202] * 30 + [429]
        assert (await bob.post(text="x"))[0] == 202
        async with alice.http.post(alice.url + "api/stop", json={"id": str(uuid.uuid4())}) as response:
            assert response.headers["retry-after"] == "2"
        now[0] += 2
        assert (await alice.post(text="x"))[0] == 202


async def test_the_cookie_is_opaque_and_guarded(shop: Shop) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        cookies = []
        for headers in ({}, {"x-forwarded-proto": "https"}, {"cookie": "shopdesk=short"}):
            async with http.get(shop.web.url, headers=headers) as response:
                cookies.append(response.headers["set-cookie"])
        plain, secure, replaced = cookies
        assert re.match(r"shopdesk=[A-Za-z0-9_-]{43};", plain)
        assert "HttpOnly" in plain
        assert "SameSite=lax" in plain
        assert "Max-Age=31536000" in plain
        assert "Secure" not in plain
        assert "Secure" in secure
        assert "shopdesk=short" not in replaced
        kept = plain.split(";")[0]
        async with http.get(shop.web.url, headers={"cookie": kept}) as response:
            assert response.headers["set-cookie"].startswith(kept)


async def test_who_comes_without_a_cookie_is_given_one_with_his_first_message(shop: Shop) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        someone = Visitor(http, shop.web.url)
        await someone.say("hello")
        await someone.say("again")
        await someone.watch(lambda thread: thread.ready)
    assert someone.thread.texts == [("customer", "hello"), ("customer", "again")]


async def test_neither_address_nor_id_holds_the_cookie(shop: Shop, alice: Visitor) -> None:
    await alice.say("x")
    cookie = next(iter(alice.http.cookie_jar)).value
    assert cookie not in repr(shop.received)


async def test_every_answer_carries_the_security_headers(shop: Shop, alice: Visitor) -> None:
    for path in ("", "static/app.js", "static/none.js", "static/..%2f..%2fplatform.py", "healthz", "nowhere"):
        async with alice.http.get(alice.url + path) as response:
            policy = response.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert response.headers["x-content-type-options"] == "nosniff"
            assert (response.status == 200) == (path in ("", "static/app.js", "healthz"))


async def test_the_page_names_no_address_outside_the_server(alice: Visitor) -> None:
    async with alice.http.get(alice.url) as response:
        html = await response.text()
    assert "http://" not in html
    assert "https://" not in html
    assert "Mộc Nhà" in html
    for path in re.findall(r'(?:href|src)="([^"]+)"', html):
        async with alice.http.get(alice.url + path) as response:
            assert response.status == 200, path
            tag = response.headers["etag"]
        async with alice.http.get(alice.url + path, headers={"if-none-match": tag}) as response:
            assert response.status == 304


async def test_a_shop_name_with_markup_stays_text() -> None:
    async with open_shop(shop_name=lambda: '<script>"&') as shop, visitor(shop.web.url) as alice:
        async with alice.http.get(alice.url) as response:
            html = await response.text()
        assert '<script>"' not in html
        assert "&lt;script&gt;&quot;&amp;" in html


async def test_health_is_always_good_and_readiness_says_of_each_door_only_whether_it_is_on(
    shop: Shop, alice: Visitor
) -> None:
    async def get(path: str) -> tuple[int, Any]:
        async with alice.http.get(alice.url + path) as response:
            return response.status, await response.json()

    assert await get("readyz") == (200, {"ready": True, "doors": {"web": "on"}})
    shop.doors["telegram"] = "the token is wrong"
    assert await get("readyz") == (503, {"ready": False, "doors": {"web": "on", "telegram": "off"}})
    assert (await get("healthz"))[0] == 200


async def test_a_post_that_nobody_finishes_does_not_hold_anything_up(shop: Shop, alice: Visitor) -> None:
    host, port = shop.web.address or ("", 0)
    _, writer = await asyncio.open_connection(host, port)
    writer.write(
        b"POST /api/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
    )
    await writer.drain()
    await alice.say("meanwhile")
    writer.close()
    await writer.wait_closed()
    assert [message.text for message in shop.received] == ["meanwhile"]

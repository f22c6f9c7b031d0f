"""The webhook: nobody but Telegram gets in, and 200 means stored."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

import aiohttp
import pytest
import uvicorn
from starlette.applications import Starlette

from adapters.telegram.platform import TelegramPlatform
from adapters.telegram.webhook import LARGEST_BODY, Webhook
from bot.chat import InboundMessage, UnreadableUpdate
from bot.errors import AccountRejected, StorageFull
from tests.adapters.telegram.conftest import Inbox, Item, running
from tests.servers.telegram import TelegramServer

SECRET = "a-secret-of-the-webhook"
HEADER = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
UPDATE = {
    "update_id": 5,
    "message": {
        "message_id": 1,
        "date": 1,
        "chat": {"id": 7, "type": "private"},
        "from": {"id": 7, "is_bot": False, "first_name": "Lan"},
        "text": "hi",
    },
}


@asynccontextmanager
async def serving(server: TelegramServer) -> AsyncIterator[tuple[TelegramPlatform, str]]:
    """The door with its route on a web server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/telegram/hook"
        hook = Webhook(url, SECRET)
        platform = TelegramPlatform(token=server.token, api_url=server.url, webhook=hook, drafts=True)
        route = platform.webhook_route()
        assert route is not None
        config = uvicorn.Config(Starlette(routes=[route]), log_config=None, lifespan="off", ws="none")
        web = uvicorn.Server(config)
        task = asyncio.create_task(web.serve(sockets=[listener]))
        try:
            yield platform, url
        finally:
            web.should_exit = True
            await task
            await platform.close()


async def post(url: str, body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, data=BytesIO(body), headers=headers) as response,
    ):
        return response.status


async def test_the_stop_button_under_a_draft_is_posted_too(server: TelegramServer, inbox: Inbox) -> None:
    server.customer(7)
    async with serving(server) as (platform, _), running(platform, inbox):
        number = server.stop_pressed(7, draft_id=5)
        (stop,) = await inbox.messages(1)
    assert (stop.command, stop.message_id) == ("stop", f"7:stop-{number}")


async def test_what_telegram_posts_arrives(server: TelegramServer, inbox: Inbox) -> None:
    lan = server.customer(7)
    lan.write("trước")
    async with serving(server) as (platform, _), running(platform, inbox):
        lan.write("sau")
        messages = await inbox.messages(2)
        await server.wait_for(lambda: not server.account.waiting)
    assert [message.text for message in messages] == ["trước", "sau"]
    assert server.posts == [200, 200]
    assert server.calls("getUpdates") == []


async def test_what_cannot_be_stored_is_posted_again(server: TelegramServer, inbox: Inbox) -> None:
    tries: list[Item] = []

    def refuse(item: Item) -> None:
        tries.append(item)
        if len(tries) < 3:
            raise StorageFull("no room")

    inbox.refuse = refuse
    async with serving(server) as (platform, _), running(platform, inbox):
        server.customer(7).write("một")
        await inbox.messages(1)
        await server.wait_for(lambda: not server.account.waiting)
    assert server.posts == [503, 503, 200]


async def test_two_posts_side_by_side_are_stored_in_the_order_of_their_numbers(
    server: TelegramServer, inbox: Inbox
) -> None:
    def body(number: int) -> bytes:
        message = {**UPDATE["message"], "message_id": number, "text": str(number)}  # type: ignore[dict-item]
        return json.dumps({"update_id": number, "message": message}).encode()

    async with serving(server) as (platform, url), running(platform, inbox):
        host, port = url.split("/")[2].split(":")
        reader, slow = await asyncio.open_connection(host, int(port))
        head = f"POST /telegram/hook HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body(10))}\r\n"
        slow.write(f"{head}X-Telegram-Bot-Api-Secret-Token: {SECRET}\r\n\r\n".encode())
        await slow.drain()
        assert await post(url, b"", HEADER, "GET") == 405  # a round later its head has arrived
        quick = asyncio.create_task(post(url, body(11), HEADER))
        assert await post(url, b"", HEADER, "GET") == 405
        slow.write(body(10))
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert await quick == 200
        slow.close()
        await slow.wait_closed()
    assert [item.text for item in inbox.items if isinstance(item, InboundMessage)] == ["10", "11"]


async def test_an_update_that_cannot_be_read_is_kept_and_answered(server: TelegramServer, inbox: Inbox) -> None:
    async with serving(server) as (platform, _), running(platform, inbox):
        server.push_update({"message": "rubbish"})
        server.customer(7).write("một")
        await inbox.until(lambda: len(inbox.items) == 2)
    assert [type(item) for item in inbox.items] == [UnreadableUpdate, InboundMessage]


@pytest.mark.parametrize("shown", [None, "", "wrong", SECRET + "x", "é"])
async def test_a_stranger_is_turned_away_before_the_body_is_read(
    server: TelegramServer, inbox: Inbox, shown: str | None
) -> None:
    async with serving(server) as (platform, url), running(platform, inbox):
        headers = {} if shown is None else {"X-Telegram-Bot-Api-Secret-Token": shown}
        assert await post(url, json.dumps(UPDATE).encode(), headers) == 401
        # Announces a body and never sends it: an answer shows that nobody waits for one.
        host, port = url.split("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /telegram/hook HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        writer.close()
        await writer.wait_closed()
    assert inbox.items == []


async def test_a_body_is_read_up_to_one_mebibyte(server: TelegramServer, inbox: Inbox) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65536

    async with serving(server) as (platform, url), running(platform, inbox):
        assert await post(url, b" " * (LARGEST_BODY + 1), HEADER) == 413
        async with aiohttp.ClientSession() as session:
            try:
                async with session.post(url, data=endless(), headers=HEADER) as response:
                    assert response.status == 413
            except aiohttp.ClientOSError:
                pass  # answered and hung up while we were still talking
        body = json.dumps(UPDATE).encode()
        assert await post(url, body + b" " * (LARGEST_BODY - len(body)), HEADER) == 200
    assert len(inbox.items) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"update_id": NaN'])
async def test_a_body_that_is_no_json_is_refused(server: TelegramServer, inbox: Inbox, body: bytes) -> None:
    async with serving(server) as (platform, url), running(platform, inbox):
        assert await post(url, body, HEADER) == 400
    assert inbox.items == []


async def test_only_posts_are_taken_and_only_while_the_door_is_open(server: TelegramServer, inbox: Inbox) -> None:
    async with serving(server) as (platform, url):
        assert await post(url, b"", HEADER, "GET") == 405
        assert await post(url, json.dumps(UPDATE).encode(), HEADER) == 503
        async with running(platform, inbox):
            assert await post(url, json.dumps(UPDATE).encode(), HEADER) == 200
        assert await post(url, json.dumps(UPDATE).encode(), HEADER) == 503


async def test_without_a_secret_one_is_made_up(server: TelegramServer, inbox: Inbox) -> None:
    platform = TelegramPlatform(
        token=server.token, api_url=server.url, webhook=Webhook("http://127.0.0.1:1/telegram/hook")
    )
    async with running(platform, inbox):
        hook = server.account.hook
    await platform.close()
    assert hook is not None
    assert len(hook.secret or "") >= 32


async def test_a_webhook_that_another_program_takes_over_is_noticed(server: TelegramServer, inbox: Inbox) -> None:
    looks = asyncio.Semaphore(0)

    async def sleep(seconds: float) -> None:
        await looks.acquire()

    webhook = Webhook("http://127.0.0.1:1/telegram/hook", SECRET)
    platform = TelegramPlatform(token=server.token, api_url=server.url, webhook=webhook, sleep=sleep)
    server.fail("bad_gateway", "getWebhookInfo", times=1)
    async with running(platform, inbox) as task:
        looks.release()
        looks.release()
        await server.wait_for(lambda: len(server.calls("getWebhookInfo")) == 2)
        server.account.hook = None
        looks.release()
        with pytest.raises(AccountRejected, match="Another program"):
            await task
    await platform.close()


async def test_a_webhook_that_telegram_refuses_is_the_operators_business(server: TelegramServer, inbox: Inbox) -> None:
    platform = TelegramPlatform(token=server.token, api_url=server.url, webhook=Webhook("http://shop.vn/hook"))
    with pytest.raises(AccountRejected, match="https url must be provided"):
        await platform.run(inbox.receive, inbox.on_ready)
    await platform.close()


def test_a_polled_bot_has_no_route(platform: TelegramPlatform) -> None:
    assert platform.webhook_route() is None

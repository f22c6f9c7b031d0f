import asyncio
import itertools
import socket
import tracemalloc
import uuid

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from adapters.web.check import check_web
from adapters.web.reception import STREAMS_PER_VISITOR
from adapters.web.stream import Patience
from bot.chat import Attachment, MessageRef, OutboundMessage
from bot.errors import AccountRejected, MessageGone, Unavailable
from tests.adapters.web.shop import Shop, open_shop
from tests.adapters.web.visitor import Thread, settled, visitor


async def test_it_says_where_the_page_is() -> None:
    async with open_shop() as shop:
        assert shop.ready == [f"at {shop.web.url}"]
        assert shop.web.url.startswith("http://127.0.0.1:")


async def test_a_port_in_use_is_one_sentence_that_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        shop = Shop(port=taken.getsockname()[1])
        with pytest.raises(Unavailable, match=r"already in use.*SHOPDESK_WEB") as caught:
            await shop.web.run(shop.receive, shop.on_ready)
        assert not caught.value.maybe_applied


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
async def test_a_foreign_address_is_one_sentence_that_names_the_setting(host: str) -> None:
    shop = Shop(host=host)
    with pytest.raises(AccountRejected, match=r"no address of this machine.*SHOPDESK_WEB"):
        await shop.web.run(shop.receive, shop.on_ready)


async def test_it_leaves_at_once_with_open_streams_and_can_serve_again() -> None:
    async with open_shop() as shop:
        async with visitor(shop.web.url) as alice, alice.stream() as events:
            await anext(events)
            running = next(task for task in asyncio.all_tasks() if "WebPlatform.run" in repr(task.get_coro()))
            running.cancel()
            assert [event async for event in events][-1].kind == "shown"
            await asyncio.wait({running}, timeout=5)
            assert running.cancelled()
        assert shop.web.address is None
        shop.started.clear()
        again = asyncio.create_task(shop.web.run(shop.receive, shop.on_ready))
        await shop.started.wait()
        async with visitor(shop.web.url) as alice:
            await alice.say("hello again")
        again.cancel()
        await asyncio.wait({again})


async def test_after_a_restart_a_page_is_shown_everything_once_more() -> None:
    async with open_shop() as first, visitor(first.web.url) as alice:
        await alice.say("a")
        await first.answer(first.address, ["b"], key="r1")
        await alice.watch(settled())
        before = [(key, message["text"]) for key, message in alice.thread.messages.items()]
        async with open_shop() as second:
            second.past = first.past
            alice.url = second.web.url
            async with alice.stream() as events:
                assert (await anext(events)).kind == "snapshot"
            alice.thread.ready = False
            await alice.watch(settled())
            assert [(key, message["text"]) for key, message in alice.thread.messages.items()] == before


async def test_a_reply_can_be_finished_that_another_process_began() -> None:
    async with open_shop() as shop, visitor(shop.web.url) as alice:
        await alice.say("a")
        await shop.web.edit(MessageRef(shop.address, "from-before"), OutboundMessage("done"))
        await alice.watch(settled())
        assert alice.thread.texts[-1] == ("assistant", "done")


async def test_the_line_is_cut_at_every_event_and_the_page_ends_the_same() -> None:
    async with open_shop() as shop, visitor(shop.web.url) as alice:
        await alice.say("a")
        pieces = [f"{number} " for number in range(15)]
        steady = Thread()
        async with alice.stream() as events:
            for number in range(len(pieces)):
                text = "".join(pieces[: number + 1])
                await shop.web.edit(MessageRef(shop.address, "r1"), OutboundMessage(text, growing=True))
                await alice.watch(lambda thread, text=text: thread.ready and thread.texts[-1][1] == text)  # type: ignore[misc]
            await shop.web.edit(MessageRef(shop.address, "r1"), OutboundMessage("".join(pieces)))
            await alice.watch(settled())
            async for event in events:
                steady.apply(event)
                if settled()(steady):
                    break
        assert steady.messages == alice.thread.messages


async def test_a_slow_reader_holds_little_and_the_others_notice_nothing() -> None:
    async with open_shop() as shop, visitor(shop.web.url) as alice:
        await alice.say("a")
        at = shop.address
        cookie = next(iter(alice.http.cookie_jar))
        slow = [await _connect(shop, f"shopdesk={cookie.value}") for _ in range(8)]
        await shop.answer(at, ["warm"], key="r0")
        await alice.watch(settled())
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(40):
            await shop.web.edit(MessageRef(at, "r1"), OutboundMessage(f"{number}" + "ắ" * 50_000, growing=True))
            await asyncio.sleep(0)
        await shop.answer(at, ["complete"], key="r1")
        await alice.watch(settled(2))
        held = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert alice.thread.texts[-1][1] == "complete"
        assert held < len(slow) * 64 * 1024
        for connection in slow:
            connection.close()


async def test_a_reader_who_takes_nothing_at_all_is_let_go() -> None:
    async with open_shop(patience=Patience(stalled=0.1)) as shop, visitor(shop.web.url) as alice:
        await alice.say("a")
        stuck = await _connect(shop, _cookie(alice.http))
        conversation = shop.web._reception.conversations.get(shop.address.chat_id)
        for number in itertools.count():
            await shop.web.edit(
                MessageRef(shop.address, "r1"), OutboundMessage(f"{number}" + "ắ" * 50_000, growing=True)
            )
            await asyncio.sleep(0)
            if number > 10 and not conversation.feeds:
                break
        stuck.close()


async def test_a_quiet_stream_gives_signs_of_life() -> None:
    quick = Patience(heartbeat=0.01)
    async with open_shop(patience=quick) as shop, visitor(shop.web.url) as alice, alice.stream() as events:
        kinds = [(await anext(events)).kind for _ in range(5)]
    assert kinds == ["snapshot", "shown", "beat", "beat", "beat"]


async def test_a_message_whose_storing_breaks_off_is_not_shown() -> None:
    async with open_shop() as shop, visitor(shop.web.url) as alice:
        shop.fail = ZeroDivisionError("a defect")
        body = {"id": str(uuid.uuid4()), "text": "lost"}
        async with alice.http.post(alice.url + "api/messages", json=body) as response:
            assert response.status == 500
            assert "defect" not in await response.text()
        await alice.watch(lambda thread: thread.ready)
        assert alice.thread.texts == []
        shop.fail = None
        assert (await alice.post(**body))[0] == 202
        await alice.watch(lambda thread: bool(thread.texts))


async def _connect(shop: Shop, cookie: str) -> socket.socket:
    """A stream that nobody reads."""
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    assert shop.web.address
    await loop.sock_connect(connection, shop.web.address)
    await loop.sock_sendall(connection, f"GET /api/events HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\n\r\n".encode())
    return connection


@pytest.mark.parametrize(
    "begun",
    [
        "",
        "GET / HTTP/1.1\r\nhost: x\r\nx-y: ",
        "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n",
        "POST /api/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n",
    ],
)
async def test_who_never_finishes_a_request_is_cut_off_however_he_began(begun: str) -> None:
    async with open_shop(patience=Patience(request=0.2)) as shop:
        reader, writer = await asyncio.open_connection(*(shop.web.address or ()))
        writer.write(begun.encode())
        async with asyncio.timeout(5):
            while not await _is_cut(reader):
                writer.write(b"a")
        writer.close()


async def _is_cut(reader: asyncio.StreamReader) -> bool:
    """Whether the other side has ended, as far as can be seen in a moment."""
    try:
        async with asyncio.timeout(0.02):
            return await reader.read(65_536) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


async def test_who_listens_is_not_cut_off() -> None:
    async with open_shop(patience=Patience(request=0.02, heartbeat=0.02)) as shop, visitor(shop.web.url) as alice:
        await alice.say("hello")
        async with alice.stream() as events:
            beats = 0
            while beats < 5:
                beats += (await anext(events)).kind == "beat"


async def test_a_visitor_with_too_many_tabs_loses_the_oldest() -> None:
    async with open_shop() as shop, visitor(shop.web.url) as alice:
        async with alice.stream() as oldest:
            assert (await anext(oldest)).kind == "snapshot"
            tabs = [await _connect(shop, _cookie(alice.http)) for _ in range(STREAMS_PER_VISITOR)]
            assert [event.kind async for event in oldest][-1] == "crowded"
        for tab in tabs:
            tab.close()


def _cookie(http: aiohttp.ClientSession) -> str:
    return f"shopdesk={next(iter(http.cookie_jar)).value}"


async def test_routes_of_other_doors_are_served_and_cannot_hide_ours() -> None:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse((await request.body()).decode())

    routes = [Route("/telegram", answer, methods=["POST"]), Route("/healthz", answer)]
    async with open_shop(extra_routes=routes) as shop, aiohttp.ClientSession() as http:
        async with http.post(shop.web.url + "telegram", data=b"update") as response:
            assert await response.text() == "update"
        async with http.get(shop.web.url + "healthz") as response:
            assert (await response.json())["status"] == "ok"


async def test_nothing_can_be_attached() -> None:
    with pytest.raises(MessageGone):
        await Shop().web.download(Attachment("photo", "x"), limit=1_000_000)


async def test_the_check_tells_free_running_and_taken_apart() -> None:
    async with open_shop() as shop:
        host, port = shop.web.address or ("", 0)
        running = await check_web(host=host, port=port)
    free = await check_web(host=host, port=port)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = await check_web(host=host, port=taken.getsockname()[1], timeout=0.2)
    assert [(result.name, result.state) for result in (running, free, other)] == [
        ("web", "ok"),
        ("web", "ok"),
        ("web", "failed"),
    ]
    assert "SHOPDESK_WEB" in other.fix
    assert (await check_web(host="203.0.113.7", port=80)).state == "failed"

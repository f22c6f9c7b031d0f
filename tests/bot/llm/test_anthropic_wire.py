"""The way to the endpoint: proxies, redirects, compression, connections and what the environment says about them."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bot.errors import KeyRefused, ModelRejected, ModelUnavailable
from bot.llm.anthropic.model import AnthropicModel
from bot.llm.base import Finished, ModelRequest, TextDelta
from tests.bot.llm.conftest import Connect
from tests.servers.anthropic import AnthropicServer, Fault

WORDS = "One two three four five six seven eight nine ten."
PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")

WHOLE = b"".join(
    b"data: " + json.dumps(event).encode() + b"\n\n"
    for event in (
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    )
)


async def text_of(model: AnthropicModel, request: ModelRequest) -> str:
    return "".join([event.text async for event in model.stream(request) if isinstance(event, TextDelta)])


@asynccontextmanager
async def endpoint(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
async def test_the_proxy_of_the_environment_is_used(
    server: AnthropicServer,
    connect: Connect,
    question: ModelRequest,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, server.url)
    server.answer(WORDS)
    assert await text_of(connect(base_url="http://shop.invalid"), question) == WORDS
    assert server.calls[0].headers["host"] == "shop.invalid"


async def test_an_address_that_needs_no_proxy_is_asked_itself(
    server: AnthropicServer, connect: Connect, question: ModelRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.answer(WORDS)
    assert await text_of(connect(), question) == WORDS


async def test_a_redirect_is_followed_with_the_body_but_without_the_key(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    seen: list[tuple[bytes, bool]] = []

    async def other_host(request: web.Request) -> web.Response:
        seen.append((await request.read(), "authorization" in request.headers))
        return web.json_response({"error": {"type": "authentication_error", "message": "no key"}}, status=401)

    async with endpoint(other_host) as other:

        async def moved(request: web.Request) -> web.Response:
            seen.append((await request.read(), "authorization" in request.headers))
            return web.Response(status=308, headers={"location": f"{other}{request.path}"})

        async with endpoint(moved) as url:
            with pytest.raises(KeyRefused, match="ANTHROPIC_API_KEY"):
                await text_of(connect(base_url=url), question)
    (first, with_key), (second, with_key_elsewhere) = seen
    assert first == second != b""
    assert (with_key, with_key_elsewhere) == (True, False)


async def test_a_redirect_is_not_followed_where_it_would_carry_a_key(connect: Connect, question: ModelRequest) -> None:
    async def moved(request: web.Request) -> web.Response:
        return web.Response(status=308, headers={"location": f"http://127.0.0.1:9{request.path}"})

    async with endpoint(moved) as url:
        for place in ({"auth": "x-api-key"}, {"headers": {"api-key": "secret"}}):
            with pytest.raises(ModelUnavailable, match="status 308") as caught:
                await text_of(connect(base_url=url, **place), question)
            assert caught.value.again is False


@pytest.mark.parametrize("status", [400, 529])
async def test_a_compressed_error_is_read(connect: Connect, question: ModelRequest, status: int) -> None:
    async def refuse(_: web.Request) -> web.Response:
        body = gzip.compress(b'{"error": {"type": "odd_error", "message": "too many moons"}}')
        headers = {"content-encoding": "gzip", "content-type": "application/json", "retry-after": "7"}
        return web.Response(status=status, body=body, headers=headers)

    async with endpoint(refuse) as url:
        with pytest.raises((ModelRejected, ModelUnavailable), match="too many moons") as caught:
            await text_of(connect(base_url=url), question)
    assert status == 400 or (isinstance(caught.value, ModelUnavailable) and caught.value.retry_after == 7.0)


async def test_an_error_without_an_end_is_an_error(connect: Connect, question: ModelRequest) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=400)
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    async with endpoint(flood) as url:
        with pytest.raises(ModelRejected, match="refused"):
            await text_of(connect(base_url=url), question)


async def test_an_error_in_pieces_is_read_to_its_end(connect: Connect, question: ModelRequest) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=400, headers={"content-type": "application/json"})
        await response.prepare(request)
        for piece in (b'{"error": {"type": "odd_error", ', b'"message": "too many ', b'moons"}}'):
            await response.write(piece)
            await asyncio.sleep(0.01)
        return response

    async with endpoint(refuse) as url:
        with pytest.raises(ModelRejected, match="too many moons"):
            await text_of(connect(base_url=url), question)


async def test_headers_of_the_environment_go_to_the_endpoint(
    server: AnthropicServer, connect: Connect, question: ModelRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-gateway-team: shop")
    server.answer(WORDS)
    await text_of(connect(), question)
    assert server.calls[0].headers["x-gateway-team"] == "shop"
    assert server.calls[0].headers["anthropic-version"]


async def test_time_that_the_reader_takes_is_not_silence_of_the_model(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.answer(WORDS)
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.3, later.set)
    last = None
    async for event in connect(read_timeout=0.1).stream(question):
        if isinstance(event, TextDelta):
            await later.wait()
        last = event
    assert isinstance(last, Finished)


async def test_a_stream_that_falls_silent_later_than_its_first_timer_is_unavailable(
    server: AnthropicServer, connect: Connect, question: ModelRequest
) -> None:
    server.rate = 40
    server.answer(WORDS)
    server.fault(Fault("stall", after=8))
    with pytest.raises(ModelUnavailable, match="in time"):
        await text_of(connect(read_timeout=0.15), question)
    await server.until(lambda: server.calls[0].outcome == "disconnected")


async def test_the_next_question_goes_over_the_same_connection(connect: Connect, question: ModelRequest) -> None:
    ports: list[object] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(WHOLE)
        await read.wait()  # the end of the body comes apart from the end of the message
        return response

    async with endpoint(answer) as url:
        model = connect(base_url=url)
        for _ in range(3):
            read = asyncio.Event()
            assert await text_of(model, question) == "Hi"
            read.set()
            await asyncio.sleep(0.05)
    assert len(set(ports)) == 1

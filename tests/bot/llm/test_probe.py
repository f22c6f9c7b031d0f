"""Two small requests show how fast a model writes and whether its cache works."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from bot.checks import CheckResult
from bot.errors import ModelUnavailable
from bot.llm.base import Finished, ModelEvent, ModelRequest, TextDelta, Usage
from bot.llm.probe import Measured, measure
from bot.model_check import check_models
from tests.bot.llm.scripted import Player, Time, fails
from tests.bot.test_models import settings_in
from tests.servers.anthropic import AnthropicServer, Fault
from tests.servers.openai import OpenAIServer


class Writer:
    """Waits before its first word and between words."""

    name = "anthropic:one"

    def __init__(self, time: Time, *, wait: float, pause: float, cached: int = 0) -> None:
        self._time, self._wait, self._pause, self._cached = time, wait, pause, cached
        self.requests: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        self._time.now += self._wait
        for number in range(31):
            self._time.now += self._pause if number else 0.0
            yield TextDelta("một ")
        again = len(self.requests) > 1
        yield Finished(Usage(10, 60, self._cached if again else 0, 0 if again else 1200), "one")

    async def close(self) -> None: ...


async def measured(**pace: float) -> Measured:
    time = Time()
    return await measure(Writer(time, **pace), clock=time.clock)  # type: ignore[arg-type]


async def test_the_first_text_and_the_speed_behind_it_are_measured() -> None:
    found = await measured(wait=0.4, pause=0.02, cached=1200)
    assert found.first_text == pytest.approx(0.4)
    assert found.tokens_per_second == pytest.approx(60 / 0.6)
    assert (found.cached, found.is_held_back) == (1200, False)


async def test_an_answer_that_comes_in_one_instant_after_a_long_wait_is_held_back_by_somebody() -> None:
    found = await measured(wait=1.4, pause=0.0)
    assert (found.is_held_back, found.tokens_per_second) == (True, None)
    assert not (await measured(wait=0.1, pause=0.0)).is_held_back


async def test_both_requests_begin_alike_and_may_write_fewer_than_200_tokens() -> None:
    writer = Writer(Time(), wait=0.1, pause=0.01)
    await measure(writer)
    first, second = writer.requests
    assert (first.system, first.messages) == (second.system, second.messages)
    assert first.max_tokens + second.max_tokens < 200
    assert len(first.system) < 6000


async def test_what_goes_wrong_is_raised() -> None:
    with pytest.raises(ModelUnavailable):
        await measure(Player([fails(ModelUnavailable("busy"))]))


@pytest.fixture
async def claude() -> AsyncIterator[AnthropicServer]:
    async with AnthropicServer() as server:
        server.answer("one two three four five six seven eight nine ten " * 3)
        yield server


async def test_the_check_tells_speed_cache_price_and_its_own_cost(tmp_path: Path, claude: AnthropicServer) -> None:
    settings = settings_in(tmp_path, ANTHROPIC_API_KEY=claude.api_key, ANTHROPIC_BASE_URL=claude.url)
    (result,) = await check_models(settings)
    assert result.state == "ok"
    assert "cache works (" in result.message
    assert "$0.10 and $0.50 for a million tokens in and out; this check cost $0.00" in result.message
    data = result.data
    assert data["streams"] is True
    assert isinstance(data["cache_read_tokens"], int)
    assert data["cache_read_tokens"] > 512
    assert isinstance(data["check_dollars"], float)
    assert 0 < data["check_dollars"] < 0.01
    assert data["dollars_per_million_output"] == 0.5


async def test_a_model_without_price_or_cache_is_said_to_have_none(tmp_path: Path) -> None:
    async with OpenAIServer.ollama() as other:
        other.answer("short")
        toml = f'[model]\nuse = "local:qwen3:8b"\n[providers.local]\nkind = "openai"\nbase_url = "{other.url}"'
        (result,) = await check_models(settings_in(tmp_path, toml))
    assert result.state == "ok"
    assert "no price" in result.message
    assert result.data["check_dollars"] is None


async def test_only_one_key_is_measured_and_a_longer_answer_that_fails_is_a_warning(
    tmp_path: Path, claude: AnthropicServer
) -> None:
    keys = f"sk-ant-revoked,{claude.keys[0]},{claude.keys[1]}"
    settings = settings_in(tmp_path, ANTHROPIC_API_KEY=keys, ANTHROPIC_BASE_URL=claude.url)
    results = await check_models(settings)
    assert [("check_dollars" in result.data) for result in results] == [False, True, False]
    before = len(claude.calls)
    settings = settings_in(tmp_path, ANTHROPIC_API_KEY=claude.api_key, ANTHROPIC_BASE_URL=claude.url)
    claude.fault(Fault("eof", after=3, when=lambda body: "Count from" in str(body["messages"])))
    (result,) = await check_models(settings)
    assert len(claude.calls) == before + 2
    assert (result.state, "a longer answer failed" in result.message) == ("warning", True)


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
@pytest.mark.parametrize(
    ("status", "message", "fix"),
    [(407, "wants a login (407)", "USER:PASSWORD@"), (403, "refuses to connect (status 403)", "let this host through")],
)
async def test_a_proxy_that_refuses_is_told_from_a_network_that_blocks(
    tmp_path: Path, kind: str, status: int, message: str, fix: str
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        result = await checked_through(tmp_path, kind, f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    assert (result.state, message in result.message, fix in result.fix) == ("failed", True, True)


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
async def test_a_proxy_that_is_not_there_is_named_without_its_password(tmp_path: Path, kind: str) -> None:
    result = await checked_through(tmp_path, kind, "lan:secret@127.0.0.1:9")
    assert "nothing answers at the proxy 127.0.0.1:9" in result.message
    assert "secret" not in repr(result)


async def checked_through(folder: Path, kind: str, proxy: str) -> CheckResult:
    """What is found of a provider that only a proxy leads to; the environment is put back."""
    names = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ["HTTPS_PROXY"] = f"http://{proxy}"
    try:
        name, model = kind.upper(), f"{kind}:some-model"
        variables = {f"{name}_API_KEY": "k", f"{name}_BASE_URL": "https://shop.invalid", "SHOPDESK_MODEL": model}
        (result,) = await check_models(settings_in(folder, **variables))
    finally:
        del os.environ["HTTPS_PROXY"]
        os.environ.update({name: value for name, value in before.items() if value is not None})
    return result

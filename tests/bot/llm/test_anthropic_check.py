"""The check tells the ways in which a connection can be wrong apart, in words with the fix."""

import asyncio
import shutil
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.checks import CheckResult
from bot.llm.anthropic.check import check_anthropic
from bot.llm.anthropic.model import ANTHROPIC
from tests.servers.anthropic import AnthropicServer, Fault, Stop


async def check(server: AnthropicServer | str, **changes: Any) -> CheckResult:
    url, key = (server, "k") if isinstance(server, str) else (server.url, server.api_key)
    settings = {"model": "claude-haiku-5-5", "api_key": key, **changes}
    endpoint = replace(ANTHROPIC, base_url=settings.pop("base_url", url))
    return await check_anthropic(endpoint=endpoint, **settings)


async def test_a_model_that_answers_is_ok_with_its_time_to_first_text(server: AnthropicServer) -> None:
    result = await check(server)
    assert (result.name, result.state) == ("anthropic:claude-haiku-5-5", "ok")
    assert "first text after" in result.message
    assert result.data["model"] == "claude-haiku-5-5"
    assert isinstance(result.data["first_text_ms"], int)
    assert server.calls[0].body["max_tokens"] == 1


@pytest.mark.parametrize(
    ("changes", "message", "fix"),
    [
        ({"api_key": "wrong"}, "refuses the key", "ANTHROPIC_API_KEY"),
        ({"api_key": ""}, "ANTHROPIC_API_KEY is empty", "SHOPDESK_MODEL=offline"),
        ({"api_key": "khóa"}, "ANTHROPIC_API_KEY", "Copy it again"),
        ({"model": "claude-haiku-5.5"}, "no model claude-haiku-5.5", "SHOPDESK_MODEL=anthropic:claude-haiku-5-5 (or "),
        ({"base_url": "http://host:port"}, "ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
        ({"base_url": "http://127.0.0.1:9"}, "nothing listens", "firewall"),
        ({"base_url": "http://nobody.invalid"}, "name is not found", "proxy"),
    ],
)
async def test_what_is_wrong_is_told_apart(
    server: AnthropicServer, changes: dict[str, Any], message: str, fix: str
) -> None:
    result = await check(server, **changes)
    assert result.state == "failed"
    assert message in result.message
    assert fix in result.fix


@pytest.mark.parametrize(
    ("fault", "state", "message", "fix"),
    [
        (Fault("html", 200), "failed", "web page", "ANTHROPIC_BASE_URL"),
        (Fault("html", 404), "failed", "web page", "ANTHROPIC_BASE_URL"),
        (Fault("http", 404), "failed", "404", "ANTHROPIC_BASE_URL"),
        (Fault("http", 400, message="odd"), "failed", "refused (odd)", ""),
        (Fault("http", 402), "failed", "no credit", "billing"),
        (Fault("http", 403), "failed", "may not do this", "permissions"),
        (Fault("http", 429), "warning", "429", "again"),
        (Fault("http", 529), "warning", "529", "again"),
        (Fault("reset", after=-1), "failed", "broke off", "firewall"),
        (Fault("eof"), "failed", "ended before the answer", "proxy"),
        (Fault("slow", seconds=-1), "failed", "did not answer", "firewall"),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
async def test_faults_of_the_endpoint_are_told_apart(
    server: AnthropicServer, fault: Fault, state: str, message: str, fix: str
) -> None:
    server.fault(fault)
    result = await check(server, timeout=0.3 if fault.kind == "slow" else 10.0)
    assert result.state == state
    assert message in result.message
    assert fix in result.fix


async def test_http_behind_https_is_told_apart(server: AnthropicServer) -> None:
    result = await check(server, base_url=server.url.replace("http", "https"))
    assert "does not speak TLS" in result.message


async def test_names_come_from_the_sdk_when_the_endpoint_lists_none() -> None:
    async with AnthropicServer(models=()) as server:
        result = await check(server, model="claude-haiku-5")
    assert "claude-haiku-" in result.fix


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
async def test_a_certificate_that_is_not_trusted_is_told_apart(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
        *("-keyout", str(key), "-out", str(certificate), *subject),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await made.wait() == 0
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=tls) as listening:
        port = listening.sockets[0].getsockname()[1]
        result = await check(f"https://127.0.0.1:{port}")
    assert "certificate is not accepted" in result.message


async def test_a_refusal_still_proves_the_connection(server: AnthropicServer) -> None:
    server.answer((Stop("refusal"),))
    assert (await check(server)).state == "ok"


async def test_a_server_of_another_kind_is_told_apart() -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    result = await check(url)
    await runner.cleanup()
    assert result.state == "failed"
    assert "text/plain" in result.message
    assert "ANTHROPIC_BASE_URL" in result.fix


async def test_no_key_is_in_the_result(server: AnthropicServer) -> None:
    for fault in (Fault("http", 400, message=f"bad {server.api_key}"), None):
        if fault:
            server.fault(fault)
        assert server.api_key not in repr(await check(server))


async def test_a_check_can_be_cancelled(server: AnthropicServer) -> None:
    server.fault(Fault("slow", seconds=-1))
    task = asyncio.create_task(check(server))
    await server.until(lambda: bool(server.calls))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.until(lambda: server.calls[0].outcome == "disconnected")

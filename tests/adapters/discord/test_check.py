"""The check of the connection tells each mistake apart and how to mend it."""

from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.discord.check import check_discord
from adapters.discord.invite import PERMISSIONS
from bot.checks import CheckResult
from tests.servers.discord import DiscordServer


async def check(server: DiscordServer, **changes: object) -> CheckResult:
    settings: dict[str, object] = {
        "token": server.token,
        "api_url": server.api_url,
        "gateway_url": server.gateway_url,
        "staff_role_id": server.staff_role.id,
        "tickets_channel_id": server.forum.id,
        "alerts_channel_id": server.general.id,
        "timeout": 2.0,
    }
    return await check_discord(**settings | changes)  # type: ignore[arg-type]


async def test_a_good_connection_is_ok(server: DiscordServer) -> None:
    result = await check(server)
    assert result.state == "ok", result
    assert "@Shopdesk" in result.message
    assert "Shop" in result.message
    assert server.token not in str(result)


async def test_a_wrong_token(server: DiscordServer) -> None:
    result = await check(server, token="wrong")
    assert result.state == "failed"
    assert "DISCORD_BOT_TOKEN" in result.fix


async def test_the_intent_that_is_off() -> None:
    async with DiscordServer(message_content=False) as server:
        result = await check(server)
        assert result.state == "failed"
        assert "Message Content Intent" in result.fix


async def test_a_bot_that_nobody_invited() -> None:
    async with DiscordServer(in_guild=False) as server:
        result = await check(server)
        assert result.state == "failed"
        assert f"client_id={server.application_id}" in result.fix
        assert "applications.commands" in result.fix
        assert f"permissions={PERMISSIONS.value}&" in f"{result.fix}&"
        for wanted in ("view_channel", "send_messages", "send_messages_in_threads", "manage_webhooks"):
            assert getattr(PERMISSIONS, wanted)
        assert not PERMISSIONS.administrator


async def test_a_role_that_is_not_there(server: DiscordServer) -> None:
    result = await check(server, staff_role_id=1)
    assert (result.state, "DISCORD_STAFF_ROLE_ID" in result.fix) == ("failed", True)


async def test_no_role_is_a_warning_and_in_two_servers_a_fault(server: DiscordServer) -> None:
    assert (await check(server, staff_role_id=None)).state == "warning"
    server.add_guild("Nhà người lạ")
    assert (await check(server, staff_role_id=None)).state == "failed"


async def test_a_bot_that_anybody_can_invite_is_a_warning() -> None:
    async with DiscordServer(public=True) as server:
        result = await check(server)
        assert (result.state, "Public Bot" in result.fix) == ("warning", True)


async def test_a_forum_that_is_none_or_hidden_or_gone(server: DiscordServer) -> None:
    assert "is no forum" in (await check(server, tickets_channel_id=server.general.id)).message
    assert "There is no channel" in (await check(server, tickets_channel_id=1)).message
    server.forum.denied.add("VIEW_CHANNEL")
    assert "cannot see" in (await check(server)).message


async def test_an_address_where_nothing_answers(server: DiscordServer) -> None:
    result = await check(server, api_url="http://127.0.0.1:1/api/v10")
    assert result.state == "failed"
    assert "Nothing answers at http://127.0.0.1:1" in result.message


async def test_an_address_where_something_else_answers(server: DiscordServer) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{tail:.*}", page)
    async with TestServer(app) as other:
        result = await check(server, api_url=str(other.make_url("/api/v10")))
    assert (result.state, "is not Discord" in result.message) == ("failed", True)
    assert "DISCORD_API_URL" in result.fix


async def test_a_path_without_an_api(server: DiscordServer) -> None:
    result = await check(server, api_url=server.api_url + "/wrong")
    assert result.state == "failed"
    assert "DISCORD_API_URL" in result.fix


async def test_a_network_that_swallows_everything(server: DiscordServer) -> None:
    server.fault("GET", "/users/@me$", delay=5.0)
    result = await check(server, timeout=0.2)
    assert (result.state, "did not answer" in result.message) == ("failed", True)


async def test_discord_itself_failing(server: DiscordServer) -> None:
    server.fault("GET", "/users/@me$", status=503)
    result = await check(server)
    assert "503" in result.message


async def test_being_shut_out_for_a_while(server: DiscordServer) -> None:
    server.fault("GET", "/users/@me$", status=429, headers={"Retry-After": "600"})
    result = await check(server)
    assert "600 s" in result.message


async def test_a_gateway_that_is_blocked(server: DiscordServer) -> None:
    server.gateway.refuse_connections = True
    result = await check(server)
    assert (result.state, "gateway" in result.message) == ("failed", True)
    assert "DISCORD_GATEWAY_URL" in result.fix

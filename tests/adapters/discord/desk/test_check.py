"""The check names what the desk lacks, and where it is given."""

import pytest

from adapters.discord.check import check_discord
from bot.checks import CheckResult
from tests.servers.discord import FORUM, DiscordServer


async def check(server: DiscordServer, **changes: object) -> CheckResult:
    settings: dict[str, object] = {
        "token": server.token,
        "api_url": server.api_url,
        "gateway_url": server.gateway_url,
        "staff_role_id": server.staff_role.id,
        "tickets_channel_id": server.forum.id,
        "alerts_channel_id": server.general.id,
    }
    return await check_discord(**settings | changes)  # type: ignore[arg-type]


async def test_a_desk_that_has_all_it_needs(server: DiscordServer) -> None:
    assert "Logged in" in (await check(server)).message


@pytest.mark.parametrize(
    ("permission", "name", "state"),
    [
        ("SEND_MESSAGES", "Send Messages (Create Posts)", "failed"),
        ("SEND_MESSAGES_IN_THREADS", "Send Messages in Posts", "failed"),
        ("READ_MESSAGE_HISTORY", "Read Message History", "failed"),
        ("EMBED_LINKS", "Embed Links", "failed"),
        ("MANAGE_WEBHOOKS", "Manage Webhooks", "warning"),
        ("MANAGE_THREADS", "Manage Posts", "warning"),
        ("MANAGE_CHANNELS", "Manage Channel", "warning"),
        ("ADD_REACTIONS", "Add Reactions", "warning"),
    ],
)
async def test_a_permission_that_is_missing_is_named(
    server: DiscordServer, permission: str, name: str, state: str
) -> None:
    server.forum.denied.add(permission)
    found = await check(server)
    assert found.state == state
    assert name in found.fix


async def test_the_channel_for_alerts_must_be_one(server: DiscordServer) -> None:
    assert (await check(server, alerts_channel_id=None)).state == "warning"
    forum = server.add_channel("khác", kind=FORUM)
    assert "no text channel" in (await check(server, alerts_channel_id=forum.id)).message
    assert "There is no channel" in (await check(server, alerts_channel_id=5)).message
    server.general.denied.add("SEND_MESSAGES")
    found = await check(server)
    assert found.state == "failed"
    assert "Send Messages" in found.fix

"""Tries the connection to Discord step by step and says in words what is wrong and how to mend it."""

import asyncio
from collections.abc import Sequence

import aiohttp
import discord
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.discord.client import redirect
from adapters.discord.desk.check import wrong_desk
from adapters.discord.failures import CALL_ERRORS, MISSING_INTENT, PORTAL, platform_error
from adapters.discord.invite import invite_url
from bot.checks import CheckResult, State
from bot.errors import AccountRejected, RateLimited

NAME = "discord"
_HELLO = 10


async def check_discord(
    *,
    token: str,
    api_url: str | None = None,
    gateway_url: str | None = None,
    staff_role_id: int | None = None,
    tickets_channel_id: int | None = None,
    alerts_channel_id: int | None = None,
    timeout: float = 15.0,
) -> CheckResult:
    """Log in, look at intents, servers, the staff's role, the desk's forum and channel, and greet the gateway.

    `timeout` is in seconds, for each step. Like the door this redirects discord.py for the whole process.
    """
    redirect(api_url, gateway_url)
    async with discord.Client(intents=discord.Intents.none(), max_ratelimit_timeout=30.0) as client:
        try:
            async with asyncio.timeout(timeout):
                await client.login(token)
            async with asyncio.timeout(timeout):
                guilds = await _guilds(client)
        except CALL_ERRORS as exc:
            return _unreachable(exc, timeout)
        if (wrong := _wrong_account(client, guilds)) is not None:
            return wrong
        try:
            async with asyncio.timeout(timeout):
                wrong = await _wrong_staff(client, guilds, staff_role_id)
                if wrong is None or wrong.state == "warning":
                    wrong = await wrong_desk(client, tickets_channel_id, alerts_channel_id) or wrong
        except CALL_ERRORS as exc:
            return _unreachable(exc, timeout)
        if (gateway := await _wrong_gateway(timeout)) is not None:
            return gateway
        return wrong or _good(client, guilds)


async def _guilds(client: discord.Client) -> Sequence[discord.Guild]:
    """The servers with their roles."""
    return [await client.fetch_guild(guild.id) async for guild in client.fetch_guilds(limit=100)]


def _wrong_account(client: discord.Client, guilds: Sequence[discord.Guild]) -> CheckResult | None:
    flags = client.application_flags
    if not (flags.gateway_message_content or flags.gateway_message_content_limited):
        return CheckResult(NAME, "failed", "The Message Content Intent is off.", MISSING_INTENT)
    if not guilds:
        url = invite_url(client.application_id or 0)
        return CheckResult(NAME, "failed", "The bot is in no server.", f"Invite it: {url}", {"invite_url": url})
    return None


async def _wrong_staff(
    client: discord.Client, guilds: Sequence[discord.Guild], staff_role_id: int | None
) -> CheckResult | None:
    if staff_role_id is None:
        return _no_role(client, guilds)
    if any(guild.get_role(staff_role_id) for guild in guilds):
        return None
    return CheckResult(
        NAME,
        "failed",
        f"No server of the bot has the role {staff_role_id}.",
        "Set DISCORD_STAFF_ROLE_ID to the id of the staff's role (Server Settings, Roles, ⋯, Copy Role ID).",
    )


def _no_role(client: discord.Client, guilds: Sequence[discord.Guild]) -> CheckResult:
    fix = "Set DISCORD_STAFF_ROLE_ID to the id of the staff's role (Server Settings, Roles, ⋯, Copy Role ID)."
    if len(guilds) > 1:
        words = f"The bot is in {len(guilds)} servers and no staff role is set, so it answers nobody."
        return CheckResult(NAME, "failed", words, fix)
    return CheckResult(NAME, "warning", f"No staff role is set: only administrators are answered. {_as(client)}", fix)


async def _wrong_gateway(timeout: float) -> CheckResult | None:
    """Whether a gateway says hello where discord.py would connect; no session is opened."""
    url = DiscordWebSocket.DEFAULT_GATEWAY.with_query(v=10, encoding="json")
    place = f"{url.scheme}://{url.authority}"
    fix = "Let the network through to Discord's gateway (a websocket), or correct DISCORD_GATEWAY_URL."
    try:
        async with asyncio.timeout(timeout), aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
            hello = await ws.receive_json()
    except CALL_ERRORS as exc:
        words = f"The gateway {place} does not answer ({type(exc).__name__})."
        return CheckResult(NAME, "failed", words, fix)
    if not isinstance(hello, dict) or hello.get("op") != _HELLO:
        return CheckResult(NAME, "failed", f"What answers at {place} is not Discord's gateway.", fix)
    return None


def _good(client: discord.Client, guilds: Sequence[discord.Guild]) -> CheckResult:
    data = {"bot": client.user.name if client.user else None, "servers": len(guilds)}
    if client.application is not None and client.application.bot_public:
        fix = f"Turn off Public Bot under Bot in the developer portal ({PORTAL})."
        return CheckResult(NAME, "warning", f"Anybody can invite the bot to his own server. {_as(client)}", fix, data)
    names = ", ".join(guild.name for guild in guilds)
    return CheckResult(NAME, "ok", f"{_as(client)} Servers: {names}.", data=data)


def _as(client: discord.Client) -> str:
    return f"Logged in as @{client.user.name}." if client.user else ""


def _unreachable(exc: BaseException, timeout: float) -> CheckResult:
    host = Route.BASE.split("/api")[0]
    state: State = "failed"
    network = "Check the network and its firewall (some networks block Discord), or correct DISCORD_API_URL."
    address = "Correct DISCORD_API_URL, or remove it to use Discord's own address."
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return CheckResult(NAME, state, f"The name in {host} is not known here (DNS).", network)
    if isinstance(exc, aiohttp.ClientSSLError):
        return CheckResult(NAME, state, f"The certificate of {host} is wrong: something is in between.", network)
    if isinstance(exc, aiohttp.ClientConnectorError):
        return CheckResult(NAME, state, f"Nothing answers at {host}.", network)
    if isinstance(exc, TimeoutError):
        return CheckResult(NAME, state, f"{host} did not answer within {timeout:g} s.", network)
    error = platform_error(exc, "the login")
    if isinstance(error, AccountRejected):
        return CheckResult(NAME, state, "The login failed.", str(error))
    if isinstance(error, RateLimited):
        words = f"Discord lets nobody in from here for {error.retry_after:g} s (too many calls)."
        return CheckResult(NAME, state, words, "Wait that long, and start the bot less often.")
    if isinstance(exc, discord.HTTPException) and exc.status >= 500:
        return CheckResult(NAME, state, f"Discord itself fails (status {exc.status}).", "Try again later.")
    return CheckResult(NAME, state, f"What answers at {host} is not Discord.", address)

"""Looks at the desk's forum and its channel for alerts, and says in words which permission is missing where."""

import discord

from adapters.discord.desk.failures import NEEDED
from bot.checks import CheckResult

NAME = "discord"
_MUST = (
    *("view_channel", "send_messages", "send_messages_in_threads", "read_message_history", "embed_links"),
    "attach_files",
)
_SHOULD = {
    "manage_webhooks": "customers' words stand there under the bot's name",
    "add_reactions": "staff do not see whether their words arrived",
    "manage_threads": "locked posts cannot be opened again",
    "manage_channels": "posts have no tags",
}
"""What is missing without each of them."""
_ALERTS = ("view_channel", "send_messages", "read_message_history")
_COPY_ID = "(right click on it, Copy Channel ID)"


async def wrong_desk(client: discord.Client, forum_id: int | None, alerts_channel_id: int | None) -> CheckResult | None:
    """The worst that is wrong with them. Raises what discord.py does."""
    if forum_id is None:
        return None
    found = await _look(client, forum_id, "DISCORD_TICKETS_CHANNEL_ID", "a forum")
    if isinstance(found, CheckResult):
        return found
    if not isinstance(found, discord.ForumChannel):
        fix = f"Set DISCORD_TICKETS_CHANNEL_ID to the id of a forum {_COPY_ID}."
        return _failed(f"The channel {forum_id} is no forum.", fix)
    permissions = await _permissions(client, found)
    if lacking := [name for name in _MUST if not getattr(permissions, name)]:
        return _failed(f"The bot may not work in the desk's forum #{found.name}.", _give(lacking, "forum"))
    if (alerts := await _wrong_alerts(client, alerts_channel_id)) is not None and alerts.state == "failed":
        return alerts
    if lacking := [name for name in _SHOULD if not getattr(permissions, name)]:
        without = "; ".join(_SHOULD[name] for name in lacking)
        words = f"The bot lacks rights in the desk's forum #{found.name}: {without}."
        return CheckResult(NAME, "warning", words, _give(lacking, "forum"))
    return alerts


async def _wrong_alerts(client: discord.Client, channel_id: int | None) -> CheckResult | None:
    if channel_id is None:
        fix = f"Set DISCORD_ALERTS_CHANNEL_ID to the id of a channel of the staff's {_COPY_ID}."
        return CheckResult(NAME, "warning", "No channel is set for the desk's alerts: nobody is called.", fix)
    found = await _look(client, channel_id, "DISCORD_ALERTS_CHANNEL_ID", "a text channel")
    if isinstance(found, CheckResult):
        return found
    if not isinstance(found, discord.TextChannel):
        fix = f"Set DISCORD_ALERTS_CHANNEL_ID to the id of a text channel {_COPY_ID}."
        return _failed(f"The channel {channel_id} is no text channel.", fix)
    permissions = await _permissions(client, found)
    if lacking := [name for name in _ALERTS if not getattr(permissions, name)]:
        return _failed(f"The bot may not write alerts into #{found.name}.", _give(lacking, "channel"))
    return None


async def _look(client: discord.Client, channel_id: int, setting: str, what: str) -> object:
    try:
        return await client.fetch_channel(channel_id)
    except discord.NotFound:
        return _failed(f"There is no channel {channel_id}.", f"Set {setting} to the id of {what} {_COPY_ID}.")
    except discord.Forbidden:
        fix = "Give the bot View Channel in the channel's settings, under Permissions."
        return _failed(f"The bot cannot see the channel {channel_id}.", fix)


async def _permissions(
    client: discord.Client, channel: discord.ForumChannel | discord.TextChannel
) -> discord.Permissions:
    """What the bot may do there. Without a gateway nothing is known but what is asked for."""
    guild = await client.fetch_guild(channel.guild.id)
    assert client.user is not None
    me = await guild.fetch_member(client.user.id)
    channel.guild = guild
    return channel.permissions_for(me)


def _give(names: list[str], place: str) -> str:
    listed = ", ".join(NEEDED[name] for name in names)
    return f"Give it {listed} in the {place}'s settings, under Permissions."


def _failed(words: str, fix: str) -> CheckResult:
    return CheckResult(NAME, "failed", words, fix)

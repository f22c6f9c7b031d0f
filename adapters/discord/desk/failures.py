"""What a failure means at the desk: a post that is gone, or a permission that is missing, named."""

from collections.abc import Iterable

import discord

from bot.errors import AccountRejected, MessageGone, PlatformError

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK = 10003, 10008, 10015
MISSING_ACCESS, MISSING_PERMISSIONS = 50001, 50013
NOT_WHILE_ARCHIVED, LOCKED, TOO_MANY_ACTIVE = 50083, 160005, 160006
TOO_MANY_WEBHOOKS, TAG_REQUIRED, UNKNOWN_TAG = 30007, 40067, 10087
OLD_MESSAGE = 30046
TITLE_BLOCKED = 200001

NEEDED = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages (Create Posts)",
    "send_messages_in_threads": "Send Messages in Posts",
    "read_message_history": "Read Message History",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "add_reactions": "Add Reactions",
    "manage_threads": "Manage Posts",
    "manage_webhooks": "Manage Webhooks",
    "manage_channels": "Manage Channel",
}
"""discord.py's name of a permission → what the settings of a forum call it."""
WHERE = "in the forum's settings, under Permissions"


def code_of(exc: PlatformError) -> int:
    """Discord's own code for the failure; 0: none."""
    return exc.__cause__.code if isinstance(exc.__cause__, discord.HTTPException) else 0


def desk_error(exc: PlatformError, forum: discord.abc.GuildChannel | None) -> PlatformError:
    """The error of `StaffDesk` for one of a call that was made about a post of `forum`."""
    code = code_of(exc)
    if code in (UNKNOWN_CHANNEL, UNKNOWN_MESSAGE):
        return MessageGone(f"Discord: the post or the message is not there any more (code {code}).")
    if code in (MISSING_ACCESS, MISSING_PERMISSIONS):
        return AccountRejected(missing_words(missing_in(forum, _USED) or missing_in(forum, _USED_LESS), forum))
    if code in (NOT_WHILE_ARCHIVED, LOCKED):
        return AccountRejected(
            f"Discord: a post of the desk is locked: unlock it, or give the bot Manage Posts ({WHERE})."
        )
    if code == TOO_MANY_ACTIVE:
        return AccountRejected(
            "Discord: the server has 1,000 open threads, and no post of the desk is resolved: close some of them."
        )
    if code == TAG_REQUIRED:
        return AccountRejected(
            "Discord: the forum asks for a tag on each post, and the bot may not make its own: give it Manage Channel "
            f"({WHERE}), or turn that off."
        )
    return exc


_USED = ("view_channel", "send_messages", "send_messages_in_threads", "read_message_history", "embed_links")
_USED_LESS = ("manage_threads", "attach_files", "add_reactions")


def missing_in(channel: discord.abc.GuildChannel | None, names: Iterable[str]) -> list[str]:
    """Which of these permissions the bot lacks there, as discord.py calls them; all when that is not known."""
    if channel is None or channel.guild.me is None:
        return list(names)
    given = channel.permissions_for(channel.guild.me)
    return [name for name in names if not getattr(given, name)]


def missing_words(names: Iterable[str], channel: discord.abc.GuildChannel | None) -> str:
    """One sentence for the operator."""
    listed = ", ".join(NEEDED[name] for name in names) or "the permissions that are missing there"
    place = f"the forum {channel.id}" if channel is not None else "the forum"
    return f"Discord: the bot may not do this in {place}: give it {listed} ({WHERE})."

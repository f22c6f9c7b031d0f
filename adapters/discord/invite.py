"""The address at which the shop's owner invites the bot to a server."""

import discord

PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    read_message_history=True,
    embed_links=True,
    attach_files=True,
    add_reactions=True,
    manage_threads=True,
    manage_webhooks=True,
)


def invite_url(application_id: int) -> str:
    """With the permissions that answers and the staff's desk need, and with slash commands."""
    return discord.utils.oauth_url(application_id, permissions=PERMISSIONS, scopes=("bot", "applications.commands"))

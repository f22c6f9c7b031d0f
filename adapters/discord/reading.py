"""A message on Discord as an `InboundMessage`: pure translation, no call."""

import re

import discord

from bot.chat import Address, Attachment, AttachmentKind, Command, InboundMessage
from bot.text import clean, is_blank, one_line

NAME = "discord"
DIRECT = "dm:"
"""What the name of a direct conversation begins with; that of any other place is a number."""
_TOKEN = re.compile(
    r"<(?:(?P<kind>@!?|@&|#)(?P<id>\d{15,22})"
    r"|a?:(?P<emoji>\w{2,32}):\d{15,22}"
    r"|/(?P<command>[^:<>\n]{1,100}):\d{15,22})>"
)
_COMMANDS: dict[str, Command] = {"/new": "new", "/stop": "stop", "/help": "help", "/start": "start"}
_MAX_QUOTED = 2000


def address_of(channel: discord.abc.Snowflake) -> Address:
    """Where a channel is. A direct conversation is marked, so that it is known by its address alone.

    A thread stands for itself: to Discord it is a channel of its own, with its own rate limits.
    """
    direct = isinstance(channel, discord.DMChannel)
    return Address(NAME, f"{DIRECT if direct else ''}{channel.id}")


def place_of(channel: discord.abc.Snowflake) -> str:
    """The name of a channel, thread or direct conversation, as it stands in its address."""
    return address_of(channel).chat_id


def is_direct(address: Address) -> bool:
    """Whether only one person reads there."""
    return address.chat_id.startswith(DIRECT)


def channel_id_of(address: Address) -> int:
    """The id of the channel, thread or direct conversation that calls are made to."""
    return int(address.chat_id.removeprefix(DIRECT))


def is_words(message: discord.Message) -> bool:
    """Whether a person wrote this (and no bot, webhook or Discord itself)."""
    by_person = not message.author.bot and message.webhook_id is None
    return by_person and message.type in (discord.MessageType.default, discord.MessageType.reply)


def is_addressed(message: discord.Message, me: discord.ClientUser) -> bool:
    """Whether the bot is meant: in private, by its name or its own role, or by a reply to what it said."""
    if isinstance(message.channel, discord.DMChannel):
        return True
    if any(user.id == me.id for user in message.mentions):
        return True
    own_role = message.guild.self_role if message.guild else None
    if own_role is not None and any(role.id == own_role.id for role in message.role_mentions):
        return True
    original = _replied_to(message)
    return original is not None and original.author.id == me.id


def read_message(message: discord.Message, me: discord.ClientUser, *, edited: bool = False) -> InboundMessage:
    """The message as the engine knows messages. Nothing but the bot's name: the words it replies to, or help."""
    text = clean(_readable(message.content, message, me)).strip()
    quoted = _quoted(message, me)
    attachments = _attachments(message)
    if is_blank(text) and not attachments:
        # "@bot" as a reply means: answer this.
        text, quoted = (quoted, "") if quoted else ("/help", "")
    command = _COMMANDS.get(text.lower())
    address = address_of(message.channel)
    return InboundMessage(
        message_id=str(message.id),
        address=address,
        sender_id=str(message.author.id),
        sender_name=one_line(clean(message.author.display_name)),
        text="" if command else text,
        sent_at=(message.edited_at if edited else None) or message.created_at,
        attachments=attachments,
        role="staff",
        command=command,
        edited=edited,
        quoted=quoted,
        reply_to=None if is_direct(address) else str(message.id),
    )


def _readable(content: str, message: discord.Message, me: discord.ClientUser) -> str:
    """The words with names instead of Discord's tokens, without the bot's own name around them."""
    own_role = message.guild.self_role if message.guild else None
    own = rf"<@!?{me.id}>" + (rf"|<@&{own_role.id}>" if own_role else "")
    content = re.sub(rf"\A\s*(?:(?:{own})[\s,:]*)+|(?:\s*(?:{own}))+\s*\Z", "", content)
    return _TOKEN.sub(lambda found: _name(found, message, me), content)


def _name(found: re.Match[str], message: discord.Message, me: discord.ClientUser) -> str:
    if found["emoji"]:
        return f":{found['emoji']}:"
    if found["command"]:
        return f"/{found['command']}"
    wanted, guild = int(found["id"]), message.guild
    if found["kind"] == "#":
        channel = guild.get_channel_or_thread(wanted) if guild else None
        return f"#{channel.name}" if channel else found[0]
    if found["kind"] == "@&":
        role = guild.get_role(wanted) if guild else None
        return f"@{role.name}" if role else found[0]
    person = me if wanted == me.id else discord.utils.get(message.mentions, id=wanted)
    return f"@{person.display_name}" if person else found[0]


def _replied_to(message: discord.Message) -> discord.Message | None:
    original = message.reference.resolved if message.reference else None
    return original if isinstance(original, discord.Message) else None


def _quoted(message: discord.Message, me: discord.ClientUser) -> str:
    """The words of what is replied to, or of what was forwarded."""
    original = _replied_to(message)
    parts = [_readable(original.content, original, me)] if original else []
    parts += [snapshot.content for snapshot in message.message_snapshots]
    return clean("\n\n".join(part for part in parts if part)).strip()[:_MAX_QUOTED]


def _attachments(message: discord.Message) -> tuple[Attachment, ...]:
    files = [
        Attachment(
            kind=_kind(attachment, voice=message.flags.voice),
            source_id=attachment.url,
            media_type=(attachment.content_type or "application/octet-stream").split(";")[0].strip(),
            name=one_line(clean(attachment.filename)),
            size=attachment.size,
        )
        for attachment in message.attachments
    ]
    stickers = [
        Attachment(kind="sticker", source_id=sticker.url, name=one_line(clean(sticker.name)))
        for sticker in message.stickers
    ]
    poll = [Attachment(kind="other", source_id="", name="poll")] if message.poll else []
    return (*files, *stickers, *poll)


def _kind(attachment: discord.Attachment, *, voice: bool) -> AttachmentKind:
    family = (attachment.content_type or "").split("/")[0]
    if family == "image":
        return "photo"
    if family == "audio":
        return "voice" if voice else "audio"
    return "video" if family == "video" else "file"

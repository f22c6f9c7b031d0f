"""Emoji on the loopback Discord: what is one, and what is not."""

import regex

from tests.servers.discord.messages import Reaction
from tests.servers.discord.state import ApiError
from tests.servers.discord.world import Guild

_UNICODE = regex.compile(
    r"(?:\p{RI}{2}|[0-9#*]\uFE0F?\u20E3"
    r"|\p{Emoji}(?:\p{EMod}|\uFE0F)?(?:[\U000E0020-\U000E007F]+)?(?:\u200D\p{Emoji}(?:\p{EMod}|\uFE0F)?)*)"
)


def is_emoji(text: str) -> bool:
    return text not in ("#", "*") and not text.isdecimal() and _UNICODE.fullmatch(text) is not None


def reaction_of(text: str, guild: Guild | None) -> tuple[str, Reaction]:
    """The emoji of a path: `✅`, or `name:id` for one of the server's own; and what tells it from others."""
    name, _, emoji_id = text.rpartition(":")
    if name and emoji_id.isdecimal():
        own = guild.emojis.get(int(emoji_id)) if guild is not None else None
        if own is not None:
            return emoji_id, Reaction(own, int(emoji_id))
    elif is_emoji(text):
        return text.replace("\ufe0f", ""), Reaction(text)
    raise ApiError(400, 10014, "Unknown Emoji")

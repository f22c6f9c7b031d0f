"""Makes the reply that a platform can show."""

from collections.abc import Mapping
from types import MappingProxyType

from bot.chat import Address, ChatPlatform, MessageRef
from bot.reply.streamed import StreamedReply


def reply_on(
    platform: ChatPlatform,
    to: Address,
    *,
    key: str,
    reply_to: str | None = None,
    growing_mark: str = "",
    sent: Mapping[str, MessageRef] = MappingProxyType({}),
) -> StreamedReply:
    """A reply to an address of this platform; a mark is only for one that does not mark what grows by itself."""
    limits = platform.limits
    return StreamedReply(
        to=to,
        key=key,
        reply_to=reply_to,
        max_units=limits.max_units,
        measure=platform.measure,
        marks_growing=limits.marks_growing,
        growing_mark="" if limits.marks_growing else growing_mark,
        sent=sent,
    )

"""The replies of a conversation, and what is said there that answers nothing."""

from collections.abc import Mapping
from types import MappingProxyType

from bot.chat import InboundMessage, MessageRef
from bot.reply import StreamedReply
from bot.reply.making import reply_on
from bot.scheduler import SendScheduler

_NOTHING: Mapping[str, MessageRef] = MappingProxyType({})


class Telling:
    """Knows every platform by its scheduler."""

    def __init__(self, schedulers: Mapping[str, SendScheduler], growing_mark: str) -> None:
        self._schedulers = schedulers
        self._growing_mark = growing_mark

    def redelivers(self, message: InboundMessage) -> bool:
        """Whether this message comes again by itself when it is not taken."""
        return self._schedulers[message.address.platform].platform.limits.redelivers

    def reply(
        self, message: InboundMessage, *, key: str, sent: Mapping[str, MessageRef] = _NOTHING
    ) -> tuple[StreamedReply, SendScheduler]:
        """A reply to this message, and who shows it."""
        scheduler, mark = self._schedulers[message.address.platform], self._growing_mark
        at, to = scheduler.platform, message.address
        return reply_on(at, to, key=key, reply_to=message.reply_to, growing_mark=mark, sent=sent), scheduler

    async def tell(
        self, message: InboundMessage, sentence: str, key: str, *, sent: Mapping[str, MessageRef] = _NOTHING
    ) -> None:
        """Say something that is no answer, in the message that is there under this key. Raises `RecipientGone`."""
        reply, scheduler = self.reply(message, key=key, sent=sent)
        reply.append(sentence)
        reply.end()
        scheduler.start(reply)
        await scheduler.finish(reply)

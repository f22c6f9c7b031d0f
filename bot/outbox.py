"""A platform whose sends are on record before and after the call, so that a crash cannot forget a message."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from bot.chat import Address, ChatPlatform, MessageRef, OutboundMessage
from bot.errors import PlatformError, StorageError, Unavailable
from bot.storage.outbox import Outbox
from bot.wrapped import WrappedPlatform

log = logging.getLogger(__name__)


class RecordedPlatform(WrappedPlatform):
    """A `ChatPlatform` around another one. Only sends are recorded: an edit can be made again at any time."""

    def __init__(self, platform: ChatPlatform, outbox: Outbox) -> None:
        super().__init__(platform)
        self._outbox = outbox
        self._growing: dict[MessageRef, str] = {}
        """Messages that vanish while they grow, with their keys: the one that stays is another message."""

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        ref = await self._sent(key, to, partial(self._platform.send, to, message, key=key))
        if ref.lasts is not None:
            self._growing[ref] = key
        return ref

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        key = self._growing.get(ref)
        edit = partial(self._platform.edit, ref, message)
        if key is None or message.growing:
            shown = await edit()
            if key is not None and shown.lasts is None:
                await self._record(self._outbox.sent(key, shown))
        else:
            shown = await self._sent(key, ref.address, edit)
        if shown.lasts is None:
            self._growing.pop(ref, None)
        return shown

    async def _sent(self, key: str, to: Address, call: Callable[[], Awaitable[MessageRef]]) -> MessageRef:
        """Make a call that may put a message there that stays."""
        await self._record(self._outbox.sending(key, to, doubles=self.limits.doubles))
        try:
            ref = await call()
        except PlatformError as exc:
            if not (isinstance(exc, Unavailable) and exc.maybe_applied):
                await self._record(self._outbox.unsent(key))
            raise
        await self._record(self._outbox.sent(key, ref) if ref.lasts is None else self._outbox.unsent(key))
        return ref

    async def _record(self, work: Awaitable[None]) -> None:
        """A full disk must not keep an answer from its reader: then it is sent without a record."""
        try:
            await work
        except StorageError as exc:
            log.warning("%s: a message is sent without a record: %s", self.name, exc)

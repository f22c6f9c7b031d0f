"""Tells customers what became of their case, once each."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from bot.errors import RecipientGone
from bot.reply.making import reply_on
from bot.scheduler import SendScheduler
from bot.storage.errands import Errands

log = logging.getLogger(__name__)


class Tells:
    """Goes through what is on record, in its order."""

    def __init__(
        self, *, errands: Errands, schedulers: Mapping[str, SendScheduler], now: Callable[[], datetime]
    ) -> None:
        self._errands = errands
        self._schedulers = schedulers
        self._now = now

    async def tell(self, conversation_id: int) -> None:
        """Tell the customer all that he is to be told. Raises `StorageError`."""
        to = (await self._errands.customer(conversation_id)).address
        scheduler = self._schedulers.get(to.platform)
        for errand in await self._errands.for_customer(conversation_id):
            key, is_seen = f"reply-tell-{errand.id}", scheduler is not None
            if scheduler is not None:
                reply = reply_on(scheduler.platform, to, key=key, sent=await self._errands.sent(key))
                reply.append(errand.text)
                reply.end()
                scheduler.start(reply)
                try:
                    await scheduler.finish(reply)
                except RecipientGone:
                    log.info("conversation %s: nobody reads there any more", conversation_id)
                    is_seen = False
                finally:
                    scheduler.drop(reply)
            await self._errands.told(errand, key=key, at=self._now(), is_seen=is_seen)

"""Fetches the pictures of a turn for the model, within limits that hold for all customers together."""

import asyncio
import logging

from bot.chat import Attachment
from bot.engine.limits import PictureLimits
from bot.engine.turn import RunningTurn
from bot.errors import PlatformError
from bot.llm.base import Image, image_type
from bot.storage.messages import Messages, StoredMessage

log = logging.getLogger(__name__)

_UNSEEN = "The message came with an attachment that you cannot see: {kind}."
_UNLOADED = "A picture came with the message but could not be loaded; say so."


class Pictures:
    """What was fetched once is kept in storage; what does not fit is never fetched."""

    def __init__(self, messages: Messages, limits: PictureLimits) -> None:
        self._messages = messages
        self._limits = limits
        self._fetching = asyncio.Semaphore(limits.at_once)

    async def of(self, turn: RunningTurn) -> tuple[tuple[Image, ...], list[str]]:
        """The pictures of a turn, and a note for the model about each attachment that it cannot see."""
        images: list[Image] = []
        notes: list[str] = []
        room = self._limits.together
        for stored in turn.messages:
            for position, item in enumerate(stored.message.attachments):
                if item.kind != "photo":
                    notes.append(_UNSEEN.format(kind=item.kind))
                    continue
                full = len(images) == self._limits.count
                image = None if full else await self._picture(turn, stored, position, min(room, self._limits.each))
                if image is None:
                    notes.append(_UNLOADED)
                else:
                    images.append(image)
                    room -= len(image.data)
        return tuple(images), notes

    async def _picture(self, turn: RunningTurn, stored: StoredMessage, position: int, limit: int) -> Image | None:
        item = stored.message.attachments[position]
        if (item.size or 0) > limit:
            return None
        data = await self._messages.attachment(stored.id, position)
        if data is None:
            data = await self._fetched(turn, item, limit)
            if data is None or image_type(data) is None:
                return None
            await self._messages.keep_attachment(stored.id, position, data)
        # What it is called by its sender does not count: a model refuses a picture that is not what it says.
        media_type = image_type(data)
        return Image(media_type, data) if media_type and len(data) <= limit else None

    async def _fetched(self, turn: RunningTurn, item: Attachment, limit: int) -> bytes | None:
        async with self._fetching:
            try:
                async with asyncio.timeout(self._limits.seconds):
                    return await turn.scheduler.platform.download(item, limit=limit)
            except (PlatformError, TimeoutError) as exc:
                log.warning("conversation %s: a picture was not loaded: %s", turn.conversation.id, exc or "no answer")
                return None

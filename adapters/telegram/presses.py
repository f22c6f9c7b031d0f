"""The button under an answer that asks for a person: how it looks, what it says when pressed, and its end."""

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from telegram.error import TelegramError

from adapters.telegram.api import Api
from adapters.telegram.fields import Json, Malformed, must_number, must_part, must_text, number, part, text
from bot.chat import Address, InboundMessage
from bot.text import clean, one_line

log = logging.getLogger(__name__)

PRESSED = "callback_query"
"""The kind of update that a button makes."""
_HUMAN = "human"
_MOST_AT_ONCE = 1000


def keyboard(label: str) -> str:
    """The button, as Telegram takes it."""
    return json.dumps({"inline_keyboard": [[{"text": label, "callback_data": _HUMAN}]]})


def pressed(query: Json, update_id: int, *, at: datetime, platform: str) -> InboundMessage | None:
    """What a press says: `/human`. None: it is no button of ours, or its message is too old for Telegram to name.
    Raises `Malformed`."""
    message = part(query, "message")
    if message is None or text(query, "data") != _HUMAN:
        return None
    chat, sender = must_part(message, "chat"), must_part(query, "from")
    chat_id, sender_id = must_number(chat, "id"), must_number(sender, "id")
    thread = number(message, "message_thread_id") if message.get("is_topic_message") else None
    language = text(sender, "language_code")
    name = one_line(clean(f"{must_text(sender, 'first_name')} {text(sender, 'last_name') or ''}"))
    return InboundMessage(
        message_id=f"{chat_id}:press-{update_id}",
        address=Address(platform, str(chat_id), str(thread) if thread else None),
        sender_id=str(sender_id),
        sender_name=name or str(sender_id),
        text="",
        sent_at=at,
        command="human",
        language=one_line(clean(language), 16) if language else None,
    )


class Presses:
    """Tells Telegram that a press was taken, and takes its button away. Whether that works changes nothing for us."""

    def __init__(self, bot: Api) -> None:
        self._bot = bot
        self._tasks: set[asyncio.Task[None]] = set()

    def taken(self, raw: object) -> None:
        """The update is stored; if it is a press, the rest is done beside."""
        query = raw.get(PRESSED) if isinstance(raw, Mapping) else None
        if isinstance(query, Mapping) and len(self._tasks) < _MOST_AT_ONCE:
            task = asyncio.create_task(self._end(query), name="telegram-press")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _end(self, query: Mapping[str, Any]) -> None:
        try:
            # Until it is answered the button seems to be at work.
            await self._bot.end_press(must_text(query, "id"))
            message = part(query, "message")
            if message is not None and text(query, "data") == _HUMAN:
                chat_id = must_number(must_part(message, "chat"), "id")
                await self._bot.remove_keyboard(str(chat_id), str(must_number(message, "message_id")))
        except (TelegramError, Malformed) as exc:
            log.info("a button may still be shown: %s", type(exc).__name__)

    async def close(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

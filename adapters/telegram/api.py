"""python-telegram-bot's `Bot`, and below it the calls that are made so often that its objects would cost."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from telegram import Bot

from adapters.telegram.entities import Span
from adapters.telegram.http import NotTheBotApi
from adapters.telegram.inbound import Me
from adapters.telegram.markdown import Formatted

POLL_SECONDS = 30
WANTED = ("message", "edited_message", "callback_query")
"""The kinds of update that are for us. The others are not even sent."""
STOP_PRESSED = "stopped_message_generation"
"""One more, when drafts are used: their Stop button, https://core.telegram.org/bots/api-changelog (10.3)."""

_NO_PREVIEW = '{"is_disabled":true}'


class Api(Bot):
    """Plain values in, plain values out: no object is built for an entity or for the message in an answer.

    All raise `telegram.error.TelegramError`.
    """

    async def ask(self, method: str, params: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The object that a method answers with. Anything else is not the Bot API."""
        answer = await self._post(method, dict(params or {}))
        if not isinstance(answer, dict):
            raise NotTheBotApi(f"the answer to {method} is no object")
        return answer

    async def who(self) -> Me:
        """The bot's own account."""
        me = await self.ask("getMe")
        if not isinstance(me.get("id"), int) or not isinstance(me.get("username"), str):
            raise NotTheBotApi("the answer to getMe is no account")
        return Me(me["id"], me["username"], bool(me.get("can_read_all_group_messages")))

    async def updates(self, offset: int | None, *, kinds: Sequence[str] = WANTED) -> Sequence[object]:
        """Waits for updates, raw as they came. Those below `offset` are confirmed and never come again."""
        wanted = {"offset": offset, "timeout": POLL_SECONDS, "allowed_updates": kinds, "limit": 100}
        result = await self._post("getUpdates", wanted)
        return result if isinstance(result, list) else []

    async def show(
        self,
        chat_id: str,
        body: Formatted,
        *,
        thread_id: str | None,
        reply_to: str | None,
        keyboard: str | None = None,
    ) -> str:
        """Sends a text, with buttons under it; the id of the new message."""
        reply = {"message_id": int(reply_to), "allow_sending_without_reply": True} if is_number(reply_to) else None
        thread = thread_id if is_number(thread_id) else None
        more = {"message_thread_id": thread, "reply_parameters": reply and json.dumps(reply), "reply_markup": keyboard}
        answer = await self.ask("sendMessage", {"chat_id": chat_id, **_text(body), **more})
        return str(answer.get("message_id"))

    async def draft(
        self, chat_id: str, draft_id: int, body: Formatted, *, thread_id: str | None, can_stop: bool
    ) -> None:
        """Shows a text that is no message yet, with a Stop button if `can_stop`."""
        more = {"message_thread_id": thread_id if is_number(thread_id) else None, "can_stop": can_stop or None}
        text = {"text": body.text, "entities": entities_of(body.spans)}
        await self._post("sendMessageDraft", {"chat_id": chat_id, "draft_id": draft_id, **text, **more})

    async def replace(self, chat_id: str, message_id: str, body: Formatted, *, keyboard: str | None = None) -> None:
        """Edits a text; buttons that are not given again go."""
        more = {"chat_id": chat_id, "message_id": message_id, "reply_markup": keyboard}
        await self._post("editMessageText", {**_text(body), **more})

    async def replace_caption(self, chat_id: str, message_id: str, body: Formatted) -> None:
        """Edits the words under a file."""
        words = {"caption": body.text, "caption_entities": entities_of(body.spans)}
        await self._post("editMessageCaption", {"chat_id": chat_id, "message_id": message_id, **words})

    async def show_album(self, params: Mapping[str, Any]) -> str:
        """Sends several files as one; the id of the first of the new messages."""
        answer = await self._post("sendMediaGroup", dict(params))
        if not isinstance(answer, list) or not answer or not isinstance(answer[0], dict):
            raise NotTheBotApi("the answer to sendMediaGroup is no list of messages")
        return str(answer[0].get("message_id"))

    async def end_press(self, query_id: str) -> None:
        """Tells that a press of a button was taken."""
        await self._post("answerCallbackQuery", {"callback_query_id": query_id})

    async def remove_keyboard(self, chat_id: str, message_id: str) -> None:
        """Takes the buttons under a message away."""
        await self._post("editMessageReplyMarkup", {"chat_id": chat_id, "message_id": message_id})

    async def remove(self, chat_id: str, message_id: str) -> None:
        """Deletes a message."""
        await self._post("deleteMessage", {"chat_id": chat_id, "message_id": message_id})


def is_number(value: str | None) -> TypeGuard[str]:
    """Whether this can be a message or topic id."""
    return value is not None and value.isascii() and value.isdecimal()


def _text(body: Formatted) -> Mapping[str, Any]:
    return {"text": body.text, "entities": entities_of(body.spans), "link_preview_options": _NO_PREVIEW}


def entities_of(spans: tuple[Span, ...]) -> str | None:
    """Formatting, as Telegram takes it."""
    entities = []
    for span in spans:
        entity: dict[str, Any] = {"type": span.kind, "offset": span.start, "length": span.end - span.start}
        if span.value is not None:
            entity["url" if span.kind == "text_link" else "language"] = span.value
        entities.append(entity)
    return json.dumps(entities) if entities else None

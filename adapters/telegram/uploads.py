"""Files that go out: which of Telegram's methods shows each best, in albums where that can be, under their words."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from telegram import (
    InputFile,
    InputMediaAudio,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
    MessageEntity,
)

from adapters.telegram.api import Api, entities_of, is_number
from adapters.telegram.http import FloodWait
from adapters.telegram.markdown import Formatted
from bot.chat import File
from bot.errors import MessageRefused

Kind = Literal["photo", "video", "audio", "voice", "document"]

MOST_FILES = 10
LARGEST_FILE = 50_000_000
LARGEST_PHOTO = 10_000_000
"""Bytes: https://core.telegram.org/bots/api#sending-files"""
LONGEST_CAPTION = 1024

_PHOTOS = frozenset({"image/jpeg", "image/png", "image/webp"})
_AUDIO = frozenset({"audio/mpeg", "audio/mp3", "audio/mp4", "audio/x-m4a", "audio/m4a"})
_MEDIA = {
    "photo": InputMediaPhoto,
    "video": InputMediaVideo,
    "audio": InputMediaAudio,
    "document": InputMediaDocument,
}
_LONGEST_FLOOD = 60.0

Sleep = Callable[[float], Awaitable[None]]


class Uploads:
    """Sends files. Raises `telegram.error.TelegramError`, and `MessageRefused` for what Telegram would never take."""

    def __init__(self, bot: Api, *, sleep: Sleep = asyncio.sleep) -> None:
        self._bot = bot
        self._sleep = sleep

    async def send(
        self, chat_id: str, body: Formatted, files: Sequence[File], *, thread_id: str | None, reply_to: str | None
    ) -> str:
        """The id of the first new message. Words that are too long for a caption come first, by themselves."""
        if any(len(file.data) > LARGEST_FILE or not file.data for file in files):
            raise MessageRefused(f"Telegram takes no file that is empty or larger than {LARGEST_FILE} bytes.")
        albums = together(files)
        first = None
        if len(albums) > 1 or body.units > LONGEST_CAPTION:
            if body.text.strip():
                first = await self._bot.show(chat_id, body, thread_id=thread_id, reply_to=reply_to)
            body, reply_to = Formatted(""), None if first else reply_to
        for album in albums:
            more = {"chat_id": chat_id, **_place(thread_id, reply_to)}
            sent = await self._patiently(album, body, more, is_first=first is None)
            first = first or sent
            body, reply_to = Formatted(""), None
        assert first is not None
        return first

    async def _patiently(
        self, album: Sequence[tuple[Kind, File]], body: Formatted, more: dict[str, Any], *, is_first: bool
    ) -> str:
        """What comes behind the first part is waited for here: with another try of the whole it would show twice."""
        while True:
            try:
                return await self._album(album, body, more)
            except FloodWait as exc:
                if is_first or exc.seconds > _LONGEST_FLOOD:
                    raise
                await self._sleep(exc.seconds)

    async def _album(self, album: Sequence[tuple[Kind, File]], body: Formatted, more: dict[str, Any]) -> str:
        if len(album) == 1:
            [(kind, file)] = album
            caption = {"caption": body.text, "caption_entities": entities_of(body.spans)} if body.text else {}
            upload = {kind: InputFile(file.data, filename=file.name or kind), **caption, **more}
            answer = await self._bot.ask(f"send{kind.capitalize()}", upload)
            return str(answer.get("message_id"))
        media = [
            _MEDIA[kind](
                InputFile(file.data, filename=file.name or kind, attach=True),
                **(_caption(body) if number == 0 else {}),
            )
            for number, (kind, file) in enumerate(album)
        ]
        return await self._bot.show_album({"media": media, **more})


def kind_of(file: File) -> Kind:
    """As what a file is shown: anything can be a document."""
    if file.media_type in _PHOTOS and len(file.data) <= LARGEST_PHOTO:
        return "photo"
    if file.media_type == "video/mp4":
        return "video"
    if file.media_type in ("audio/ogg", "audio/opus"):
        return "voice"
    return "audio" if file.media_type in _AUDIO else "document"


def together(files: Sequence[File]) -> list[list[tuple[Kind, File]]]:
    """Files in their order, those that can be one album together: https://core.telegram.org/bots/api#sendmediagroup"""
    albums: list[list[tuple[Kind, File]]] = []
    for file in files:
        kind = kind_of(file)
        last = albums[-1] if albums else []
        if last and kind != "voice" and _family(last[0][0]) == _family(kind) and len(last) < MOST_FILES:
            last.append((kind, file))
        else:
            albums.append([(kind, file)])
    return albums


def _family(kind: Kind) -> str:
    return "seen" if kind in ("photo", "video") else kind


def _caption(body: Formatted) -> dict[str, Any]:
    if not body.text:
        return {}
    entities = [
        MessageEntity(
            span.kind,
            span.start,
            span.end - span.start,
            url=span.value if span.kind == "text_link" else None,
            language=span.value if span.kind == "pre" else None,
        )
        for span in body.spans
    ]
    return {"caption": body.text, "caption_entities": entities}


def _place(thread_id: str | None, reply_to: str | None) -> dict[str, Any]:
    reply = {"message_id": int(reply_to), "allow_sending_without_reply": True} if is_number(reply_to) else None
    return {
        "message_thread_id": thread_id if is_number(thread_id) else None,
        "reply_parameters": json.dumps(reply) if reply else None,
    }

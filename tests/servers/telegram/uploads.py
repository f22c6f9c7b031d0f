"""Files that the bot sends, and the buttons under its messages: https://core.telegram.org/bots/api#sending-files"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.servers.telegram.state import Account, Chat, Shown
from tests.servers.telegram.texts import Refused, bad, checked, units

Params = Mapping[str, Any]
Place = Callable[[Chat, Params], tuple[int | None, int | None]]
"""Reads topic and reply of a call."""
Method = Callable[[Account, Params], Any]
LARGEST_FILE = 50 * 1000 * 1000
LARGEST_PHOTO = 10 * 1000 * 1000
LONGEST_CAPTION = 1024
FOLDERS = {
    "photo": "photos",
    "document": "documents",
    "audio": "music",
    "video": "videos",
    "voice": "voice",
}
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8")


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a multipart request."""

    name: str
    media_type: str
    data: bytes

    def __repr__(self) -> str:
        return f"<Upload {self.name!r} {len(self.data)} bytes>"


def send_one(
    kind: str, place: Callable[[Chat, Params], tuple[int | None, int | None]]
) -> Callable[[Account, Params], Any]:
    """The method that sends a file as this."""

    def send(account: Account, params: Params) -> Any:
        chat = account.chat(int(params["chat_id"]))
        thread_id, reply_to = place(chat, params)
        content = _content(account, kind, params.get(kind), params)
        return _post(account, chat, content, thread_id, reply_to, params)

    return send


def send_media_group(
    place: Callable[[Chat, Params], tuple[int | None, int | None]],
) -> Callable[[Account, Params], Any]:
    """https://core.telegram.org/bots/api#sendmediagroup"""

    def send(account: Account, params: Params) -> Any:
        chat = account.chat(int(params["chat_id"]))
        thread_id, reply_to = place(chat, params)
        try:
            media = json.loads(str(params.get("media")))
        except ValueError:
            raise bad("can't parse media JSON object") from None
        if not isinstance(media, list) or not 2 <= len(media) <= 10:
            raise bad("wrong number of messages in the media group specified")
        kinds = {one.get("type") for one in media}
        if not (kinds <= {"photo", "video"} or len(kinds) == 1) or kinds - {"photo", "video", "audio", "document"}:
            raise bad(f"{sorted(map(str, kinds))} can't be mixed in an album")
        group = f"album-of-bot-{chat.last_id}"
        contents = []
        for one in media:
            name = str(one.get("media", "")).removeprefix("attach://")
            contents.append(_content(account, one["type"], params.get(name), one))
        return [
            _post(account, chat, {**content, "media_group_id": group}, thread_id, reply_to, params)
            for content in contents
        ]

    return send


def _content(account: Account, kind: str, upload: Any, words: Params) -> dict[str, Any]:
    if not isinstance(upload, Upload):
        raise bad(f"there is no {kind} in the request")
    if not upload.data:
        raise bad("file must be non-empty")
    if len(upload.data) > LARGEST_FILE:
        raise Refused(413, "Request Entity Too Large")
    if kind == "photo" and len(upload.data) > LARGEST_PHOTO:
        raise bad("file is too big")
    if kind == "photo" and not upload.data.startswith(_IMAGES):
        raise bad("IMAGE_PROCESS_FAILED")
    number = len(account.files) + 1
    file_id = f"file-{account.id}-{number}"
    account.files[file_id] = (f"{FOLDERS[kind]}/file_{number}", upload.data)
    file = {"file_id": file_id, "file_unique_id": f"u{number}", "file_size": len(upload.data)}
    shown: Any = {**file, "file_name": upload.name, "mime_type": upload.media_type}
    if kind == "photo":
        shown = [{**file, "width": 90, "height": 90}]
    return {kind: shown, **caption_of(words)}


def caption_of(words: Params) -> dict[str, Any]:
    """The words under a file, checked."""
    if not words.get("caption"):
        return {}
    text, entities = checked({"text": words["caption"], "entities": words.get("caption_entities")}, may_be_empty=True)
    if units(text) > LONGEST_CAPTION:
        raise bad("message caption is too long")
    return {"caption": text, **({"caption_entities": list(entities)} if entities else {})}


def _post(
    account: Account,
    chat: Chat,
    content: dict[str, Any],
    thread_id: int | None,
    reply_to: int | None,
    params: Params,
) -> dict[str, Any]:
    message_id = chat.next_id()
    raw = {
        "message_id": message_id,
        "from": account.me(),
        "chat": chat.as_dict(),
        "date": int(time.time()),
        **content,
        **({"message_thread_id": thread_id, "is_topic_message": True} if thread_id else {}),
        **markup_of(params),
    }
    entities: Sequence[Mapping[str, Any]] = content.get("caption_entities", ())
    chat.messages[message_id] = Shown(
        chat.id,
        message_id,
        content.get("caption", ""),
        tuple(entities),
        True,
        thread_id,
        reply_to,
        None,
        dict(params),
        raw=raw,
    )
    return raw


def edit_caption(account: Account, params: Params) -> Any:
    """https://core.telegram.org/bots/api#editmessagecaption"""
    shown = _own(account, params)
    if "text" in shown.raw:
        raise bad("there is no caption in the message to edit")
    words = caption_of(params)
    if words.get("caption", "") == shown.text:
        raise bad("message is not modified")
    shown.history.append((time.monotonic(), shown.text))
    shown.text = words.get("caption", "")
    shown.raw = {**shown.raw, **words}
    return shown.raw


def edit_markup(account: Account, params: Params) -> Any:
    """https://core.telegram.org/bots/api#editmessagereplymarkup"""
    shown = _own(account, params)
    new = markup_of(params)
    if new.get("reply_markup") == shown.raw.get("reply_markup"):
        raise bad("message is not modified")
    shown.raw = {key: value for key, value in shown.raw.items() if key != "reply_markup"} | new
    return shown.raw


def _own(account: Account, params: Params) -> Shown:
    chat = account.chat(int(params["chat_id"]))
    shown = chat.messages.get(int(params.get("message_id", 0)))
    if shown is None:
        raise bad("message to edit not found")
    if not shown.by_bot:
        raise bad("message can't be edited")
    return shown


def answer_press(account: Account, params: Params) -> Any:
    """https://core.telegram.org/bots/api#answercallbackquery"""
    if str(params.get("callback_query_id")) not in account.presses:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    account.presses.discard(str(params["callback_query_id"]))
    return True


def markup_of(params: Params) -> dict[str, Any]:
    """The buttons under a message, checked; nothing when there are none."""
    given = params.get("reply_markup")
    if given is None:
        return {}
    try:
        rows = json.loads(str(given))["inline_keyboard"]
        buttons = [button for row in rows for button in row]
        assert all(isinstance(button["text"], str) and button["text"].strip() for button in buttons)
    except (ValueError, KeyError, TypeError, AssertionError):
        raise bad("can't parse reply keyboard markup JSON object") from None
    for button in buttons:
        if not 1 <= len(str(button.get("callback_data", "")).encode()) <= 64:
            raise bad("BUTTON_DATA_INVALID")
    return {"reply_markup": {"inline_keyboard": rows}} if buttons else {}

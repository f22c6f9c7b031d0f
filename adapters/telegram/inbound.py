"""What Telegram delivers, as the words of `bot.chat`: pure functions of one update, as it came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import regex

from adapters.telegram.fields import (
    Json,
    Malformed,
    coordinate,
    moment,
    must_flag,
    must_number,
    must_part,
    must_text,
    number,
    part,
    parts,
    text,
)
from bot.chat import Address, Attachment, AttachmentKind, Command, InboundMessage
from bot.text import clean, is_blank, one_line

# The largest edge that a model looks at; what is larger costs time and shows it nothing more.
LARGEST_USEFUL_EDGE = 1568
IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_KINDS: Mapping[str, tuple[AttachmentKind, str]] = MappingProxyType(
    {
        "voice": ("voice", "audio/ogg"),
        "audio": ("audio", "audio/mpeg"),
        "video": ("video", "video/mp4"),
        "video_note": ("video", "video/mp4"),
        "sticker": ("sticker", "image/webp"),
    }
)
_FILES = frozenset({"photo", "animation", "document", *_KINDS})
_OTHERS = ("venue", "location", "contact", "poll", "dice", "story", "game", "paid_media", "checklist")
_COMMANDS: Mapping[str, Command] = MappingProxyType(
    {"start": "start", "new": "new", "stop": "stop", "help": "help", "human": "human"}
)
_COMMAND = regex.compile(r"/([A-Za-z0-9_]{1,64})(?:@([A-Za-z0-9_]{1,64}))?(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Me:
    """The bot's own account. `reads_all`: Telegram sends it every message of a group."""

    user_id: int
    username: str
    reads_all: bool = False


def inbound(update: Json, me: Me, *, platform: str, addressed: bool = False) -> InboundMessage | None:
    """The message of a person to the bot, or None for anything else that an update can hold.

    In groups only what addresses the bot is for it: a mention, a reply to it, a command with its name; or
    what is known to be `addressed`, as the rest of an album is. Raises `Malformed`.
    """
    message = part(update, "message") or part(update, "edited_message")
    if message is None:
        return None
    # What is not even a message is for the operator to see, whoever it may be from.
    edited, kind = not update.get("message"), must_text(must_part(message, "chat"), "type")
    must_number(message, "message_id")
    if not _is_from_person(message):
        return None
    in_group = kind in ("group", "supergroup")
    if not in_group and kind != "private":
        return None
    found = _attachment(message)
    if found is None and _said(message) is None:
        return None
    # A live location is "edited" every few seconds; nobody wrote anything.
    if edited and found is not None and found.kind == "location":
        return None
    words = _words(message, me, in_group=in_group, addressed=addressed)
    if words is None or (edited and words.command is not None):
        return None
    return _built(message, words, found, me, edited=edited, in_group=in_group, platform=platform)


def stop_pressed(pressed: Mapping[str, Any], update_id: int, *, at: datetime, platform: str) -> InboundMessage | None:
    """What the Stop button under a draft says: `/stop`. The update has no time of its own. None: it names no chat."""
    chat = pressed.get("chat")
    if not isinstance(chat, Mapping) or not isinstance(chat_id := chat.get("id"), int) or isinstance(chat_id, bool):
        return None
    thread = pressed.get("message_thread_id")
    names = [name for key in ("first_name", "last_name") if isinstance(name := chat.get(key), str)]
    return InboundMessage(
        message_id=f"{chat_id}:stop-{update_id}",
        address=Address(platform, str(chat_id), str(thread) if isinstance(thread, int) and thread else None),
        sender_id=str(chat_id),
        sender_name=_name(" ".join(names), None, chat_id),
        text="",
        sent_at=at,
        command="stop",
    )


@dataclass(frozen=True, slots=True)
class _Words:
    text: str
    command: Command | None = None


def _is_from_person(message: Json) -> bool:
    sender = part(message, "from")
    return sender is not None and not must_flag(sender, "is_bot") and not message.get("is_automatic_forward")


def _said(message: Json) -> str | None:
    words = text(message, "text")
    return words if words is not None else text(message, "caption")


def _words(message: Json, me: Me, *, in_group: bool, addressed: bool) -> _Words | None:
    """What was said, without the bot's name; None when it was not said to the bot."""
    said = _said(message) or ""
    addressed = addressed or not in_group or _replies_to(message, me)
    if match := _COMMAND.match(said):
        word, to = match[1], (match[2] or "").casefold()
        if in_group and to and to != me.username.casefold():
            return None
        if not to and not addressed:
            return None
        rest = said[match.end() :].strip()
        if word.casefold() in _COMMANDS:
            return _Words(clean(rest), _COMMANDS[word.casefold()])
        return _Words(clean(f"/{word} {rest}".strip() if to else said))
    if in_group:
        kind = "entities" if message.get("text") is not None else "caption_entities"
        said, mentioned = _without_mention(said, parts(message, kind), me)
        addressed = addressed or mentioned
    return _Words(clean(said)) if addressed else None


def _replies_to(message: Json, me: Me) -> bool:
    earlier = part(message, "reply_to_message")
    # In a topic every message hangs on the service message that opened it, which may be the bot's.
    if earlier is None or earlier.get("forum_topic_created") is not None:
        return False
    sender = part(earlier, "from")
    return sender is not None and sender.get("id") == me.user_id


def _without_mention(said: str, entities: Sequence[Json], me: Me) -> tuple[str, bool]:
    units = said.encode("utf-16-le", "surrogatepass")
    mentioned = False
    spans = [(must_number(entity, "offset"), must_number(entity, "length"), entity) for entity in entities]
    for offset, length, entity in sorted(spans, key=lambda span: -span[0]):
        start, end = 2 * offset, 2 * (offset + length)
        named = units[start:end].decode("utf-16-le", "replace").casefold()
        by_name = entity.get("type") == "mention" and named == f"@{me.username.casefold()}"
        user = part(entity, "user")
        by_id = entity.get("type") == "text_mention" and user is not None and user.get("id") == me.user_id
        if by_name or by_id:
            mentioned = True
            units = units[:start] + units[end:]
    left = units.decode("utf-16-le", "replace")
    return (regex.sub(r" {2,}", " ", left).strip(" ,:\n") if mentioned else left), mentioned


def _built(
    message: Json, words: _Words, found: Attachment | None, me: Me, *, edited: bool, in_group: bool, platform: str
) -> InboundMessage:
    chat_id, message_id = must_number(must_part(message, "chat"), "id"), must_number(message, "message_id")
    sender = must_part(message, "from")
    sender_id, language = must_number(sender, "id"), text(sender, "language_code")
    thread = number(message, "message_thread_id") if message.get("is_topic_message") else None
    sent_at = (moment(message, "edit_date") if edited else None) or moment(message, "date")
    if sent_at is None:
        raise Malformed("date is missing")
    return InboundMessage(
        message_id=f"{chat_id}:{message_id}",
        address=Address(platform, str(chat_id), str(thread) if thread else None),
        sender_id=str(sender_id),
        sender_name=_name(_full_name(sender), text(sender, "username"), sender_id),
        text=words.text,
        sent_at=sent_at,
        attachments=() if found is None else (found,),
        command=words.command,
        edited=edited,
        quoted=_quoted(message),
        album_id=text(message, "media_group_id"),
        hangs_on=_hangs_on(message, chat_id, me),
        reply_to=str(message_id) if in_group else None,
        language=one_line(clean(language), 16) if language else None,
    )


def _hangs_on(message: Json, chat_id: int, me: Me) -> str | None:
    """What it replies to, by the name that it has with us: ours as they were sent, others' as they came in."""
    earlier = part(message, "reply_to_message")
    if earlier is None or earlier.get("forum_topic_created") is not None:
        return None
    number_of, sender = must_number(earlier, "message_id"), part(earlier, "from")
    is_ours = sender is not None and sender.get("id") == me.user_id
    return str(number_of) if is_ours else f"{chat_id}:{number_of}"


def _full_name(person: Json) -> str:
    return f"{must_text(person, 'first_name')} {text(person, 'last_name') or ''}"


def _name(full_name: str, username: str | None, user_id: int) -> str:
    for name in (full_name, username or ""):
        shown = one_line(clean(name))
        if not is_blank(shown):
            return shown
    return str(user_id)


def _quoted(message: Json) -> str:
    quote, earlier = part(message, "quote"), part(message, "reply_to_message")
    if quote is not None and (quoted := text(quote, "text")):
        return clean(quoted)
    return clean(text(earlier, "text") or text(earlier, "caption") or "") if earlier is not None else ""


def _attachment(message: Json) -> Attachment | None:
    """What came with the message. An animation also has a document, so it comes first."""
    if _FILES.isdisjoint(message):
        return _without_file(message)
    if photos := parts(message, "photo"):
        size = _fitting(photos)
        return Attachment("photo", must_text(size, "file_id"), "image/jpeg", size=number(size, "file_size"))
    if animation := part(message, "animation"):
        return _file("video", animation, "video/mp4")
    if document := part(message, "document"):
        is_image = text(document, "mime_type") in IMAGES
        return _file("photo" if is_image else "file", document, "application/octet-stream")
    for name, (kind, media_type) in _KINDS.items():
        if file := part(message, name):
            return _file(kind, file, media_type)
    return _without_file(message)


def _without_file(message: Json) -> Attachment | None:
    if all(message.get(name) is None for name in _OTHERS):
        return None
    venue = part(message, "venue")
    location = part(venue or message, "location")
    if location is not None:
        return Attachment("location", f"{coordinate(location, 'latitude')},{coordinate(location, 'longitude')}")
    if contact := part(message, "contact"):
        return Attachment("contact", "", name=one_line(clean(_full_name(contact))))
    return Attachment("other", "")


def _file(kind: AttachmentKind, file: Json, media_type: str) -> Attachment:
    return Attachment(
        kind,
        must_text(file, "file_id"),
        one_line(clean(text(file, "mime_type") or media_type), 100),
        name=one_line(clean(text(file, "file_name") or "")),
        size=number(file, "file_size"),
    )


def _fitting(sizes: Sequence[Json]) -> Json:
    edges = [(must_number(size, "width"), must_number(size, "height")) for size in sizes]
    ordered = sorted(range(len(sizes)), key=lambda at: edges[at][0] * edges[at][1])
    useful = [at for at in ordered if max(edges[at]) <= LARGEST_USEFUL_EDGE]
    return sizes[useful[-1] if useful else ordered[0]]

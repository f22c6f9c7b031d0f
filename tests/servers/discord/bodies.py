"""The bodies of messages on the loopback Discord: what a POST or PATCH says, checked."""

from collections.abc import Mapping
from typing import Any

from tests.servers.discord.cdn import Cdn
from tests.servers.discord.components import components_of
from tests.servers.discord.messages import Message
from tests.servers.discord.state import ApiError, State, invalid_form
from tests.servers.discord.wire import Uploads
from tests.servers.discord.world import COMPONENTS_V2, SILENT, SUPPRESS_EMBEDS, Payload

MAX_CONTENT = 2000
MOST_EMBEDS = 10
EMBED_LENGTHS = {"title": 256, "description": 4096}
EMBED_TOTAL = 6000


class Bodies:
    """Reads what messages are to show, and changes those that are there."""

    def __init__(self, state: State, cdn: Cdn) -> None:
        self._state = state
        self._cdn = cdn

    def new(self, body: Payload, files: Uploads, *, flags: int = SUPPRESS_EMBEDS | SILENT) -> dict[str, Any]:
        """The fields of a new message for `State.post`; `flags` are those that may be set, beside V2."""
        given = flags_of(body)
        content = content_of(body, required=False)
        shown = {
            "embeds": embeds_of(body),
            "components": components_of(body, v2=bool(given & COMPONENTS_V2)),
            "attachments": self._cdn.attach(body.get("attachments"), files, []),
        }
        _check_shown(content, given & COMPONENTS_V2, **shown)
        allowed = allowed_mentions_of(body)
        return {"content": content, "flags": given & (flags | COMPONENTS_V2), "allowed_mentions": allowed} | shown

    def edit(self, message: Message, body: Payload, files: Uploads, *, clear: int = 0) -> None:
        """Change a message as a PATCH says; the bits in `clear` go (a deferred answer stops thinking)."""
        content = content_of(body, required=False) if "content" in body else message.content
        flags = message.flags & ~clear
        if "flags" in body:
            given = flags_of(body)
            flags = (flags & ~SUPPRESS_EMBEDS) | (given & (SUPPRESS_EMBEDS | COMPONENTS_V2))
        v2 = flags & COMPONENTS_V2
        wanted = body.get("attachments") or [] if "attachments" in body else None
        shown = {
            "embeds": embeds_of(body) if "embeds" in body else message.embeds,
            "components": components_of(body, v2=bool(v2)) if "components" in body else message.components,
            "attachments": self._cdn.attach(wanted, files, message.attachments),
        }
        _check_shown(content, v2, **shown)
        if "content" in body:
            # Without the field an edit is parsed anew, exactly like a message without it.
            message.allowed_mentions = allowed_mentions_of(body)
        self._state.change(message, content, flags=flags, **shown)


def flags_of(body: Mapping[str, Any]) -> int:
    given = body.get("flags") or 0
    if not isinstance(given, int):
        raise invalid_form("flags", "NUMBER_TYPE_COERCE", f'Value "{given}" is not int.')
    return given


def content_of(body: Mapping[str, Any], *, required: bool) -> str:
    content = body.get("content")
    if content is not None and not isinstance(content, str):
        raise invalid_form("content", "STRING_TYPE_CONVERT", "Could not interpret value as string.")
    if content is not None and len(content) > MAX_CONTENT:
        raise invalid_form("content", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_CONTENT} or fewer in length.")
    if required and not (content or "").strip():
        raise ApiError(400, 50006, "Cannot send an empty message")
    return content or ""


def embeds_of(body: Mapping[str, Any]) -> list[Payload]:
    """The embeds, checked. Source: docs.discord.com/developers/resources/message, Embed Limits."""
    embeds = body.get("embeds") or []
    if not isinstance(embeds, list) or len(embeds) > MOST_EMBEDS or not all(isinstance(one, dict) for one in embeds):
        raise invalid_form("embeds", "BASE_TYPE_MAX_LENGTH", f"Must be {MOST_EMBEDS} or fewer in length.")
    total = 0
    for place, one in enumerate(embeds):
        texts = [(name, str(one.get(name) or ""), longest) for name, longest in EMBED_LENGTHS.items()]
        texts.append(("footer.text", str((one.get("footer") or {}).get("text") or ""), 2048))
        texts.append(("author.name", str((one.get("author") or {}).get("name") or ""), 256))
        fields = one.get("fields") or []
        if len(fields) > 25:
            raise invalid_form(f"embeds.{place}.fields", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
        for index, field in enumerate(fields):
            for name, longest in (("name", 256), ("value", 1024)):
                text = str(field.get(name) or "")
                if not text:
                    where = f"embeds.{place}.fields.{index}.{name}"
                    raise invalid_form(where, "BASE_TYPE_REQUIRED", "This field is required")
                texts.append((f"fields.{index}.{name}", text, longest))
        for name, text, longest in texts:
            if len(text) > longest:
                words = f"Must be {longest} or fewer in length."
                raise invalid_form(f"embeds.{place}.{name}", "BASE_TYPE_MAX_LENGTH", words)
        total += sum(len(text) for _, text, _ in texts)
    if total > EMBED_TOTAL:
        raise invalid_form("embeds", "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {EMBED_TOTAL}")
    return [{"type": "rich"} | one for one in embeds]


def allowed_mentions_of(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    allowed = body.get("allowed_mentions")
    if allowed is None:
        return None
    parse = allowed.get("parse", [])
    if set(parse) - {"users", "roles", "everyone"}:
        raise invalid_form(
            "allowed_mentions", "BASE_TYPE_CHOICES", "Value must be one of ('users', 'roles', 'everyone')."
        )
    for kind in ("users", "roles"):
        if kind in parse and allowed.get(kind):
            raise invalid_form("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", "Mutually exclusive.")
    return dict(allowed)


def _check_shown(
    content: str, v2: int, *, embeds: list[Payload], components: list[Payload], attachments: list[Payload]
) -> None:
    if v2 and (content or embeds):
        words = "The 'content' and 'embeds' fields cannot be used when using MessageFlags.IS_COMPONENTS_V2"
        raise invalid_form("content", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", words)
    if not (content.strip() or embeds or components or attachments):
        raise ApiError(400, 50006, "Cannot send an empty message")

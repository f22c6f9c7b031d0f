"""Turns what a browser posts into values that can be trusted, or refuses it with a reason."""

import asyncio
import json
import math
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from starlette.requests import ClientDisconnect

from adapters.web.conversation import Conversation
from adapters.web.sentences import language_of
from bot.text import clean, is_blank

BODY_LIMIT = 64 * 1024
TEXT_LIMIT = 8_000
POSTS_A_MINUTE = 30
_DISCARDED = 1024 * 1024
_BODY_TIMEOUT = 20.0
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?=-|$)")


class Refused(Exception):
    """A request is not taken: the status, the reason's code in `sentences`, and its numbers."""

    def __init__(self, status: int, code: str, *, language: str = "", **values: int) -> None:
        self.status = status
        self.code = code
        self.language = language
        self.values = values
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Posted:
    """What the page sent. `id` was made by the page, so that sending again after a failure is no second message."""

    id: str
    text: str
    language: str | None


async def read_post(request: Request, *, with_text: bool) -> Posted:
    """The body of a POST. Raises `Refused`."""
    if not from_own_page(request):
        raise Refused(403, "foreign")
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise Refused(415, "not_json")
    try:
        body = json.loads(await _body(request))
    except (ValueError, RecursionError):
        raise Refused(400, "not_json") from None
    id = body.get("id") if isinstance(body, dict) else None
    if not isinstance(id, str) or not _ID.fullmatch(id.lower()):
        raise Refused(400, "not_json")
    found = _LANGUAGE.match(str(body.get("language") or "").lower())
    return Posted(id.lower(), _text(request, body) if with_text else "", found.group() if found else None)


def from_own_page(request: Request) -> bool:
    """Whether the browser says that our own page asks; what is no browser says nothing."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    # A page of another site cannot set X-Forwarded-Host, a proxy that rewrites Host does.
    hosts = (request.headers.get("host"), request.headers.get("x-forwarded-host"))
    try:
        own = urlsplit(origin).netloc.lower()
    except ValueError:  # brackets that do not match
        return False
    return own in [host.lower() for host in hosts if host]


def spend(conversation: Conversation, now: float) -> None:
    """Count one POST of a visitor. Raises `Refused` when there were too many in the last minute."""
    rate = POSTS_A_MINUTE / 60
    left = max(0.0, conversation.posts - (now - conversation.posts_at) * rate)
    conversation.posts, conversation.posts_at = left, now
    if left + 1 > POSTS_A_MINUTE:
        raise Refused(429, "too_many", seconds=math.ceil((left + 1 - POSTS_A_MINUTE) / rate))
    conversation.posts = left + 1


def _text(request: Request, body: dict[str, Any]) -> str:
    raw = body.get("text")
    language = language_of(request, body.get("language"))
    if not isinstance(raw, str):
        raise Refused(400, "not_json", language=language)
    text = clean(raw).strip()
    if len(text) > TEXT_LIMIT:
        raise Refused(413, "too_long", language=language, length=len(text), limit=TEXT_LIMIT)
    if is_blank(text):
        raise Refused(422, "blank", language=language)
    return text


async def _body(request: Request) -> bytes:
    """The whole body. Some of what is too much is still read: a browser that is cut off while it sends
    would show a broken connection instead of our sentence."""
    kept = bytearray()
    length = 0
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            async for chunk in request.stream():
                length += len(chunk)
                if length <= BODY_LIMIT:
                    kept += chunk
                elif length > _DISCARDED:
                    break
    except TimeoutError:
        raise Refused(408, "slow") from None
    except ClientDisconnect:
        raise Refused(400, "not_json") from None
    if length > BODY_LIMIT:
        raise Refused(413, "too_large", limit=TEXT_LIMIT)
    return bytes(kept)

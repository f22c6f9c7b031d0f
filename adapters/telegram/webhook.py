"""The endpoint that Telegram posts updates to, as a route for the web server."""

import hmac
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.telegram.abreast import Abreast, chat_of
from adapters.telegram.intake import Intake, update_id
from bot.errors import StorageError

log = logging.getLogger(__name__)

LARGEST_BODY = 1_048_576
_HEADER = "x-telegram-bot-api-secret-token"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where Telegram posts to, and what proves that it is Telegram. No secret: one is made up at each start."""

    url: str
    secret: str | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        return urlsplit(self.url).path or "/"


def webhook_route(webhook: Webhook, intake: Callable[[], Intake | None]) -> Route:
    """The route; `intake` gives who takes updates in, or None while nobody does.

    Telegram delivers an update again until it is answered with 200, which comes after it is stored.
    """
    secret = (webhook.secret or "").encode()

    abreast = Abreast()

    async def post(request: Request) -> Response:
        # The secret comes first: a stranger must not make us hold a single byte of a body.
        shown = request.headers.get(_HEADER, "").encode("latin-1", "replace")
        if not secret or not hmac.compare_digest(shown, secret):
            return Response(status_code=401)
        with abreast.arriving() as arrival:
            body = await _read(request)
            if body is None:
                return Response(status_code=413)
            try:
                raw = json.loads(body)
            except (ValueError, RecursionError):
                return Response(status_code=400)
            try:
                async with abreast.turn(arrival, chat=chat_of(raw), number=update_id(raw) or 0):
                    taker = intake()
                    if taker is None:
                        return Response(status_code=503)
                    await taker.take(raw)
            except StorageError as exc:
                log.error("a message cannot be stored, Telegram keeps it meanwhile: %s", exc)
                return Response(status_code=503)
        return Response(status_code=200)

    return Route(webhook.path, post, methods=["POST"])


async def _read(request: Request) -> bytes | None:
    """The body, or None as soon as it is too large."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > LARGEST_BODY:
        return None
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                return None
    except ClientDisconnect:
        return b""
    return bytes(body)

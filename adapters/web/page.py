"""Serves the page itself: plain files, a few words filled in, and headers that let nothing else run in it."""

import hashlib
import html
import json
import mimetypes
from collections.abc import Callable, Iterable, MutableMapping
from importlib.resources import files
from typing import Any

from fastapi import Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.web.sentences import LANGUAGES, language_of

_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        b"media-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml"}


class Page:
    """The files of `page/`, read once. Asked anew for each visitor: the name of the shop, its first words in a
    language (`greeting`), and the hosts that an answer may link to."""

    def __init__(
        self,
        *,
        shop_name: Callable[[], str],
        greeting: Callable[[str], str],
        link_hosts: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._shop_name = shop_name
        self._greeting = greeting
        self._link_hosts = link_hosts
        folder = files("adapters.web") / "page"
        self._files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
        self._tags = {name: f'"{hashlib.sha256(data).hexdigest()[:20]}"' for name, data in self._files.items()}

    def index(self, request: Request) -> Response:
        """The page. What is filled in is escaped: a shop's name with markup in it stays text."""
        language = language_of(request)
        name = self._shop_name()
        words = {"shop": name, "language": language, "initial": name.strip()[:1].upper()}
        words["link-hosts"] = json.dumps(sorted(self._link_hosts()))
        words |= {f"greeting-{each}": self._greeting(each) for each in LANGUAGES}
        text = self._files["index.html"].decode("utf-8")
        for name, value in words.items():
            text = text.replace(f"{{{{{name}}}}}", html.escape(value))
        return Response(text, media_type="text/html", headers={"cache-control": "no-store"})

    def file(self, request: Request, name: str) -> Response:
        """A style sheet, script or picture of the page."""
        if name not in self._files or name == "index.html":
            return Response("Not found", 404, media_type="text/plain")
        headers = {"etag": self._tags[name], "cache-control": "no-cache"}
        if self._tags[name] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        kind = _TYPES.get(f".{name.rpartition('.')[2]}") or mimetypes.guess_type(name)[0]
        return Response(self._files[name], media_type=kind or "application/octet-stream", headers=headers)


class SecurityHeaders:
    """Puts the headers on every answer of the application that it wraps."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _completed(message)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def _completed(message: MutableMapping[str, Any]) -> list[tuple[bytes, bytes]]:
    headers = list(message.get("headers", ()))
    present = {name.lower() for name, _ in headers}
    return headers + [header for header in _HEADERS if header[0] not in present]

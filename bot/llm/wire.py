"""Posts a request to a model's endpoint and reads the stream that comes back, with nothing in between.

The vendors' SDKs (and the HTTP libraries below them) take more on their way to the socket than all else that a
message costs before its request.
"""

import asyncio
import json
import math
import ssl
import time
import urllib.request
from collections.abc import AsyncGenerator, Callable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

MAX_CONNECTIONS = 1000
"""Streams at once; one more waits for a free connection."""
_KEPT_IDLE = 30.0
_END_COMES = 1.0
MAX_ERROR_BYTES = 64 * 1024
MAX_LIST_BYTES = 4 * 1024 * 1024
_NAMES_KEPT = 60


class Body:
    """A body as UTF-8 in pieces, of which the longest is shared by all requests that have it in common."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.length = sum(map(len, pieces))

    def whole(self) -> bytes:
        return b"".join(self._pieces)


class Refusal(Exception):
    """The endpoint answered with a status that is none of success. `said` is its body, as JSON if it is that.

    Its own text is the status and nothing else, since what an endpoint says may hold a key or a customer's words.
    """

    def __init__(self, status: int, headers: Mapping[str, str], said: Any) -> None:
        self.status = status
        self.headers = headers
        self.said = said
        super().__init__(f"status {status}")

    @property
    def is_html(self) -> bool:
        """Whether it is a web page, which no API sends."""
        return is_html(self.headers.get("content-type", ""), self.said)

    @property
    def retry_after(self) -> float | None:
        return retry_after(self.headers)


class Wire:
    """The way to one address. It connects when it is first used.

    `connect_timeout` is seconds for a connection, `read_timeout` seconds without a byte. `follows`: redirects, also
    to other hosts, which get every header but `Authorization`. Raises `ValueError` when the address is none.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        tls: ssl.SSLContext,
        *,
        connect_timeout: float,
        read_timeout: float,
        follows: bool = True,
    ) -> None:
        self._url = URL(url).with_user(None)
        self._headers = dict(headers)
        self._proxy = _proxy_for(url)
        self._tls = tls
        self._follows = follows
        self._read_timeout = read_timeout
        # `connect` covers name resolution and the wait for a free connection, too.
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=2 * connect_timeout, sock_connect=connect_timeout, sock_read=read_timeout
        )
        self._session: aiohttp.ClientSession | None = None
        self._ending: set[aiohttp.ClientResponse] = set()
        """Those whose message is complete, and whose body has a moment left to end."""

    async def post(self, body: Body, headers: Mapping[str, str] | None = None) -> "Answer":
        """The answer as soon as its head is there; it must be closed. `headers` go beside those of the wire.

        Raises `Refusal` when its status is none of success, and what aiohttp raises.
        """
        if self._session is None:
            self._session = self._new_session()
        response = await self._session.post(
            self._url,
            data=_Payload(body),
            headers=headers,
            proxy=self._proxy,
            timeout=self._timeout,
            allow_redirects=self._may_follow(headers),
        )
        if response.status < HTTPStatus.MULTIPLE_CHOICES:
            return Answer(response, self._read_timeout, self._ending)
        try:
            raise Refusal(response.status, dict(_lower(response)), _said(await beginning(response.content)))
        finally:
            response.release()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON at an address beside this one. Raises as `post` does."""
        if self._session is None:
            self._session = self._new_session()
        async with self._session.get(
            URL(url).with_user(None),
            headers=headers,
            proxy=self._proxy,
            timeout=self._timeout,
            allow_redirects=self._may_follow(headers),
        ) as response:
            said = _said(await beginning(response.content, MAX_LIST_BYTES))
            if response.status >= HTTPStatus.MULTIPLE_CHOICES or isinstance(said, str):
                raise Refusal(response.status, dict(_lower(response)), said)
            return said

    async def close(self) -> None:
        while self._ending:
            self._ending.pop().close()
        if self._session is not None:
            await self._session.close()

    def _may_follow(self, headers: Mapping[str, str] | None) -> bool:
        return self._follows and "x-api-key" not in (headers or {})

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS, keepalive_timeout=_KEPT_IDLE, ttl_dns_cache=_NAMES_KEPT, ssl=self._tls
            ),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )


class Answer:
    """The response to one request, of which the head is there."""

    def __init__(
        self, response: aiohttp.ClientResponse, read_timeout: float, ending: set[aiohttp.ClientResponse]
    ) -> None:
        self._response = response
        self._ending = ending
        self._read_timeout = read_timeout
        self._waiting_since: float | None = None
        self.content_type = response.headers.get("content-type", "")
        # aiohttp would set a timer with every read. Ours looks at the clock when it rings.
        if response.connection is not None and response.connection.protocol is not None:
            response.connection.protocol.read_timeout = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(read_timeout, self._ring)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The bytes of the body, as they come."""
        content, clock = self._response.content, self._loop.time
        while True:
            self._waiting_since = clock()
            chunk = await content.readany()
            self._waiting_since = None
            if not chunk:
                return
            yield chunk

    def hurry(self, seconds: float) -> None:
        """From now on wait for so long only: what mattered is there."""
        self._timer.cancel()
        self._read_timeout = seconds
        self._timer = self._loop.call_later(seconds, self._ring)

    def close(self, *, complete: bool) -> None:
        """Close the connection, unless the message is `complete`: then it serves the next request."""
        self._timer.cancel()
        if complete and not self._response.content.is_eof():
            # The end of the body is often a moment behind the end of the message; then aiohttp takes it back.
            self._ending.add(self._response)
            self._loop.call_later(_END_COMES, self._end)
        else:
            self._response.release()

    def _end(self) -> None:
        self._ending.discard(self._response)
        self._response.close()

    def _ring(self) -> None:
        now = self._loop.time()
        left = self._read_timeout - (now - self._waiting_since if self._waiting_since is not None else 0.0)
        if left > 0:
            self._timer = self._loop.call_later(left, self._ring)
            return
        self._response.content.set_exception(aiohttp.SocketTimeoutError("Nothing came in time"))
        self._response.close()


class _Payload(aiohttp.Payload):
    """A body that is put together when it is written, so that what waits for a connection takes no room."""

    _autoclose = True
    _default_content_type = "application/json"

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self._body = body
        self._size = body.length

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._body.whole().decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await writer.write(self._body.whole())


async def beginning(content: aiohttp.StreamReader, most: int = MAX_ERROR_BYTES) -> bytes:
    """As much of an error's body as somebody would read."""
    body = b""
    while len(body) < most and (chunk := await content.readany()):
        body += chunk
    return body[:most]


def is_html(content_type: str, body: object = None) -> bool:
    """Whether a response is a web page."""
    return "html" in content_type.lower() or (isinstance(body, str) and body.lstrip()[:1] == "<")


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Seconds to wait as the headers ask for, or None. `Retry-After` is seconds or a date (RFC 9110, 10.2.3)."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is None or (seconds := _number(value)) is not None:
        return None if value is None else seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now())
    except (ValueError, TypeError, OverflowError):
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _lower(response: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in response.headers.items()]


def _said(body: bytes) -> Any:
    text = body.decode(errors="replace").strip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for this address (HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"

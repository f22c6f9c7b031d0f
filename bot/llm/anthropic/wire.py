"""Posts a request to the Messages API and reads the stream that comes back, with nothing in between.

Address and headers are the SDK's, and so are the errors for a status. Its way to the socket (and that of
the HTTP library below it) is left out: it took more than all else that a message costs before its request.
"""

import asyncio
import json
import ssl
import urllib.request
from collections.abc import AsyncGenerator
from http import HTTPStatus

import aiohttp
import anthropic
import httpx2
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from bot.llm.anthropic.request import Body

MAX_CONNECTIONS = 1000
"""Streams at once; one more waits for a free connection."""
_KEPT_IDLE = 30.0
_END_COMES = 1.0
_MAX_ERROR_BYTES = 64 * 1024
_NAMES_KEPT = 60


class Wire:
    """The way to one endpoint with one key. It connects when it is first used.

    `connect_timeout` is seconds for a connection, `read_timeout` seconds without a byte.
    """

    def __init__(
        self, client: anthropic.AsyncAnthropic, tls: ssl.SSLContext, *, connect_timeout: float, read_timeout: float
    ) -> None:
        url = client.base_url.copy_with(userinfo=b"")
        self._url = URL(f"{str(url).rstrip('/')}/v1/messages")
        self._headers = {name: value for name, value in client.default_headers.items() if isinstance(value, str)}
        self._proxy = _proxy_for(url)
        self._tls = tls
        self._read_timeout = read_timeout
        # `connect` covers name resolution and the wait for a free connection, too.
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=2 * connect_timeout, sock_connect=connect_timeout, sock_read=read_timeout
        )
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: Body) -> "Answer":
        """The answer as soon as its head is there; it must be closed.

        Raises `anthropic.APIStatusError` when its status is none of success, and what aiohttp raises.
        """
        if self._session is None:
            self._session = self._new_session()
        response = await self._session.post(self._url, data=_Payload(body), proxy=self._proxy, timeout=self._timeout)
        if response.status < HTTPStatus.MULTIPLE_CHOICES:
            return Answer(response, self._read_timeout)
        try:
            raise _status_error(response, await _beginning(response.content))
        finally:
            response.release()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

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

    def __init__(self, response: aiohttp.ClientResponse, read_timeout: float) -> None:
        self._response = response
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

    def close(self, *, complete: bool) -> None:
        """Close the connection, unless the message is `complete`: then it serves the next request."""
        self._timer.cancel()
        if complete and not self._response.content.is_eof():
            # The end of the body is often a moment behind the end of the message; then aiohttp takes it back.
            self._loop.call_later(_END_COMES, self._response.close)
        else:
            self._response.release()

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


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """As much of an error's body as somebody would read."""
    body = b""
    while len(body) < _MAX_ERROR_BYTES and (chunk := await content.readany()):
        body += chunk
    return body[:_MAX_ERROR_BYTES]


def _status_error(response: aiohttp.ClientResponse, body: bytes) -> anthropic.APIStatusError:
    text = body.decode(errors="replace").strip()
    try:
        said: object = json.loads(text)
    except (ValueError, RecursionError):
        said = text
    request = httpx2.Request(response.method, str(response.url))
    # The body is decoded already: what describes its coding would be wrong.
    headers = [(name, value) for name, value in response.headers.items() if name.lower() != "content-encoding"]
    # The class matters to `shopdesk check`; every other status is told by its number.
    kind = anthropic.AuthenticationError if response.status == HTTPStatus.UNAUTHORIZED else anthropic.APIStatusError
    return kind(
        f"Error code: {response.status}",
        response=httpx2.Response(response.status, headers=headers, content=body, request=request),
        body=said,
    )


def _proxy_for(url: httpx2.URL) -> str | None:
    """The proxy that the environment names for this address (HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""
    if urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"

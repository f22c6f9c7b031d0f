"""python-telegram-bot's requests over aiohttp, which carries hundreds of chats on a fraction of the time.

The token is a part of every address, so no error that leaves this module holds an address or a cause.
"""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import aiohttp_socks
from telegram.error import NetworkError, TimedOut
from telegram.request import BaseRequest, RequestData

_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": BaseRequest.USER_AGENT}

_WAIT_IF_UNSAID = 5.0


class NotSent(NetworkError):
    """The request never left: nothing can have happened on the other side."""


class ProxyFailed(NotSent):
    """The proxy was not reached or refused to connect."""


class NotTheBotApi(NetworkError):
    """Something answered, but in another language than the Bot API."""


class TooLarge(NetworkError):
    """A file is larger than was allowed."""


class FloodWait(NetworkError):
    """Too many calls. The library's own `RetryAfter` warns of a change to come each time it is raised."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"too many calls, wait {seconds:g} s")


class AiohttpRequest(BaseRequest):
    """One pool of `connections`. Times are seconds; `read_timeout` runs between two pieces of an answer."""

    def __init__(
        self,
        *,
        proxy_url: str | None = None,
        connections: int = 100,
        connect_timeout: float = 10.0,
        read_timeout: float = 20.0,
    ) -> None:
        self._proxy_url = proxy_url
        self._connections = connections
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float:
        return self._read_timeout

    async def initialize(self) -> None:
        """Nothing: the pool opens with the first request, so that it belongs to the loop that uses it."""

    async def shutdown(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        body = _body(request_data)
        seconds = self._read_timeout if read_timeout is BaseRequest.DEFAULT_NONE else read_timeout
        async with self._response(url, method, body, seconds) as response:
            payload = await response.read()
        if response.status == 413:
            raise TooLarge("Telegram refuses the request as too large")
        if response.status == 429:
            raise FloodWait(_seconds_in(payload))
        # Every answer of the Bot API says whether it is "ok"; a 404 of anything else must not blame the token.
        if not payload.lstrip().startswith(b"{") or (b'"result"' if response.status == 200 else b'"ok"') not in payload:
            if response.status >= 500:
                raise NetworkError(f"Telegram answered with status {response.status}")
            raise NotTheBotApi(f"the answer (status {response.status}) is not one of the Bot API")
        return response.status, payload

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """As the library's own, but without a copy of what people wrote in the log."""
        try:
            parsed = json.loads(payload)
        except (ValueError, RecursionError):
            raise NetworkError("the answer was cut off or garbled") from None
        # The library takes a result for granted.
        return {"result": None, **parsed} if isinstance(parsed, dict) else {"result": None}

    async def fetch(self, url: str, *, limit: int) -> bytes:
        """The bytes of a file. Raises `TooLarge` past `limit` of them, and `NetworkError`."""
        async with self._response(url, "GET", b"", self._read_timeout) as response:
            if response.status != 200:
                raise NetworkError(f"Telegram answered with status {response.status} to a download")
            data = bytearray()
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > limit:
                    raise TooLarge(f"a file is larger than {limit} bytes")
            return bytes(data)

    @asynccontextmanager
    async def _response(
        self, url: str, method: str, body: bytes | aiohttp.FormData, read_timeout: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(
            total=None if read_timeout is None else 3 * read_timeout + self._connect_timeout,
            connect=3 * self._connect_timeout,
            sock_connect=self._connect_timeout,
            sock_read=read_timeout,
        )
        try:
            async with self._opened().request(
                method, url, data=body or None, headers=_headers(body), timeout=timeout, allow_redirects=False
            ) as response:
                yield response
        except (aiohttp.ClientError, OSError, *_PROXY_ERRORS) as exc:
            raise _translated(exc) from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            if fault := proxy_fault(self._proxy_url):
                raise ProxyFailed(f"the address of the proxy cannot be used: {fault}")
            over_http = (self._proxy_url or "http:").startswith(("http:", "https:"))
            self._session = aiohttp.ClientSession(
                connector=self._connector(over_http),
                proxy=self._proxy_url if over_http else None,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _connector(self, over_http: bool) -> aiohttp.BaseConnector:
        if over_http or self._proxy_url is None:
            return aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=300)
        # Names are looked up by the proxy: where Telegram is blocked, its names usually are too.
        url = self._proxy_url.replace("socks5h://", "socks5://", 1)
        connector: aiohttp.BaseConnector = aiohttp_socks.ProxyConnector.from_url(
            url, rdns=True, limit=self._connections
        )
        return connector


def proxy_fault(url: str | None) -> str | None:
    """What is wrong with the address of a proxy, in words; None when it can be used."""
    try:
        parts = urlsplit(url or "http://unused:1")
        usable = parts.scheme in ("http", "https", "socks4", "socks5", "socks5h") and parts.hostname and parts.port
    except ValueError:
        usable = None
    return None if usable else "it must look like http://HOST:PORT or socks5://USER:PASSWORD@HOST:PORT"


_PROXY_ERRORS = (aiohttp_socks.ProxyError, aiohttp_socks.ProxyConnectionError, aiohttp_socks.ProxyTimeoutError)


def _body(request_data: RequestData | None) -> bytes | aiohttp.FormData:
    if request_data is None:
        return b""
    if not request_data.contains_files:
        return urlencode(request_data.json_parameters).encode()
    form = aiohttp.FormData(quote_fields=False)
    for name, value in request_data.json_parameters.items():
        form.add_field(name, value)
    for name, (filename, data, media_type) in request_data.multipart_data.items():
        # As a stream: of bytes aiohttp warns, since large ones would be written at once.
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        form.add_field(name, stream, filename=filename.replace('"', "'"), content_type=media_type)
    return form


def _headers(body: bytes | aiohttp.FormData) -> dict[str, str]:
    # The boundary of the parts is only known to the form itself.
    return _HEADERS if isinstance(body, bytes) else {"User-Agent": _HEADERS["User-Agent"]}


def _seconds_in(payload: bytes) -> float:
    try:
        return float(json.loads(payload)["parameters"]["retry_after"])
    except (ValueError, KeyError, TypeError):
        return _WAIT_IF_UNSAID


def _translated(exc: Exception) -> NetworkError:
    name = type(exc).__name__
    if isinstance(exc, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError, *_PROXY_ERRORS)):
        return ProxyFailed(f"the proxy did not connect ({name})")
    if isinstance(exc, aiohttp.ConnectionTimeoutError):
        return NotSent("no connection within the time allowed")
    if isinstance(exc, aiohttp.ClientConnectorError):
        # An error of a certificate has no `os_error`; a block page that poses as Telegram makes such errors.
        reason = getattr(getattr(exc, "os_error", None), "strerror", None)
        return NotSent(f"no connection ({name}{f': {reason}' if reason else ''})")
    if isinstance(exc, aiohttp.InvalidURL):
        return NotSent("the address of the Bot API is not one")
    if isinstance(exc, TimeoutError):
        return TimedOut("no answer within the time allowed")
    return NetworkError(f"the connection broke ({name})")

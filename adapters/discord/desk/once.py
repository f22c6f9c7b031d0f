"""Calls that must not be made twice: one try each, where discord.py would try again after it cannot know what."""

import asyncio
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import discord
from discord.http import Route

from bot.chat import File
from bot.errors import RateLimited, Unavailable

_LONGEST_WAIT = 1.5
_CROWDED = 1.0
_ASSUMED = 5
_AGENT = f"DiscordBot (https://github.com/Rapptz/discord.py {discord.__version__})"


class Once:
    """POSTs to Discord. Waits a moment where Discord said that there is no room, and raises `RateLimited` where
    that would last. `token` goes along where no webhook's token is a part of the address."""

    def __init__(self, *, token: str, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._windows: dict[str, _Window] = {}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        bucket: str,
        files: Sequence[File] = (),
        query: Mapping[str, str] | None = None,
        signed: bool = True,
    ) -> Any:
        """What Discord answers. Calls of one `bucket` share a limit. Raises `RateLimited`, `Unavailable`, and what
        discord.py and aiohttp raise."""
        if self._session is None:
            raise Unavailable("Discord is not connected.", maybe_applied=False)
        await self._turn(bucket)
        headers = {"User-Agent": _AGENT}
        if signed:
            headers["Authorization"] = f"Bot {self._token}"
        if files:
            sent: dict[str, Any] = {"data": _form(body, files)}
        else:
            headers["Content-Type"] = "application/json"
            sent = {"data": json.dumps(body)}
        async with self._session.post(Route.BASE + path, params=query, headers=headers, **sent) as response:
            data = await _read(response)
            self._windows[bucket].note(response, self._clock())
            if response.status < 300:
                return data
            if response.status == 403:
                raise discord.Forbidden(response, data)
            if response.status == 404:
                raise discord.NotFound(response, data)
            raise discord.HTTPException(response, data)

    async def _turn(self, bucket: str) -> None:
        """Wait until there should be room, but not for long."""
        window = self._windows.setdefault(bucket, _Window())
        until = self._clock() + _LONGEST_WAIT
        while not window.take(now := self._clock()):
            if window.ends > until:
                raise RateLimited(window.ends - now)
            await asyncio.sleep(window.ends - now)


@dataclass(slots=True)
class _Window:
    """So many calls are left until it ends; then as many as Discord said that there are in one."""

    limit: int = _ASSUMED
    left: int = _ASSUMED
    ends: float = 0.0
    length: float = _CROWDED

    def take(self, now: float) -> bool:
        if now >= self.ends:
            self.left, self.ends = self.limit, now + self.length
        if self.left <= 0:
            return False
        self.left -= 1
        return True

    def note(self, response: aiohttp.ClientResponse, now: float) -> None:
        """What an answer says of it."""
        headers = response.headers
        try:
            if response.status == 429:
                self.left, self.ends = 0, now + float(headers.get("Retry-After", _CROWDED))
            elif "X-RateLimit-Remaining" in headers:
                lasts = float(headers.get("X-RateLimit-Reset-After", _CROWDED))
                self.limit = max(1, int(headers.get("X-RateLimit-Limit", self.limit)))
                self.left, self.ends = min(self.left, int(headers["X-RateLimit-Remaining"])), now + lasts
                self.length = max(lasts, self.length)
        except ValueError:
            self.left, self.ends = 0, now + _CROWDED


def _form(body: Mapping[str, Any], files: Sequence[File]) -> aiohttp.FormData:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("payload_json", json.dumps(body), content_type="application/json")
    for number, file in enumerate(files):
        # As a stream: of bytes aiohttp warns, since large ones would be written at once.
        form.add_field(f"files[{number}]", io.BytesIO(file.data), filename=file.name, content_type=file.media_type)
    return form


async def _read(response: aiohttp.ClientResponse) -> Any:
    text = await response.text(encoding="utf-8", errors="replace")
    if response.content_type == "application/json":
        try:
            return json.loads(text)
        except ValueError:
            raise discord.DiscordException("the answer is no JSON") from None
    return text if response.status >= 300 else {}

"""Claude, or whatever speaks the Messages API: the `ChatModel` of the anthropic SDK."""

import logging
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from urllib.parse import urlsplit, urlunsplit

import anthropic
import httpx2

from bot.errors import ModelRejected, ModelUnavailable, SettingsError
from bot.llm.anthropic.errors import TRANSPORT_ERRORS, is_about_tuning, is_html, not_an_api, translate
from bot.llm.anthropic.events import MessageReader
from bot.llm.anthropic.request import BodyEncoder
from bot.llm.anthropic.wire import Answer, Wire
from bot.llm.base import ModelEvent, ModelRequest

DEFAULT_BASE_URL = "https://api.anthropic.com"

log = logging.getLogger(__name__)


class AnthropicModel:
    """One model at one endpoint. It never tries again by itself: that is for the one who knows the budget.

    `read_timeout` is seconds without a byte, `silence` seconds without anything but pings.
    """

    def __init__(
        self,
        *,
        model: str,
        api_keys: Sequence[str],
        base_url: str = DEFAULT_BASE_URL,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        silence: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._bodies = BodyEncoder(model)
        self._keys = tuple(api_keys)
        self._shown_url = shown(base_url)
        self._silence = silence
        self._clock = clock
        self._tuned = True
        key, tls = check_keys(self._keys)[0], httpx2.create_ssl_context()
        client = new_client(key, base_url, tls)
        self._wire = Wire(client, tls, connect_timeout=connect_timeout, read_timeout=read_timeout)

    @property
    def name(self) -> str:
        return f"anthropic:{self._model}"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        reader = MessageReader(
            self._model, self._citable(request), calls_tools=bool(request.tools and request.may_call)
        )
        try:
            answer = await self._open(request)
            try:
                self._check_kind(answer.content_type)
                async with aclosing(answer.chunks()) as chunks:
                    waiting_since, seen = self._clock(), 0
                    async for chunk in chunks:
                        for event in reader.feed(chunk):
                            yield event
                        if reader.failure is not None:
                            raise reader.failure
                        if reader.finished:
                            return
                        if reader.progress > seen:
                            waiting_since, seen = self._clock(), reader.progress
                        elif self._clock() - waiting_since > self._silence:
                            raise ModelUnavailable(f"The model sent nothing but pings for {self._silence:g} s.")
            finally:
                answer.close(complete=reader.finished)
        except (anthropic.AnthropicError, *TRANSPORT_ERRORS) as exc:
            raise translate(exc, base_url=self._shown_url, keys=self._keys) from self._safe(exc)
        except UnicodeEncodeError:
            raise ModelRejected("The request holds characters that are no Unicode text.") from None
        if not reader.progress and "event-stream" not in answer.content_type:
            raise not_an_api(self._shown_url, answer.content_type or "something")
        raise ModelUnavailable(f"The stream from {self._shown_url} ended before the answer did.")

    async def close(self) -> None:
        await self._wire.close()

    def _citable(self, request: ModelRequest) -> Collection[str]:
        # Most requests have nothing but the sections that all of them have in common.
        shared = not request.found and not request.rounds
        return self._bodies.sections(request.sections).ids if shared else request.known.keys()

    async def _open(self, request: ModelRequest) -> Answer:
        tuned = self._tuned
        try:
            return await self._wire.post(self._bodies.encode(request, tuned=tuned))
        except anthropic.APIStatusError as exc:
            if not (tuned and is_about_tuning(exc)):
                raise
        log.info("%s does not know thinking or effort for %s: left out from now on", self._shown_url, self._model)
        self._tuned = False
        return await self._wire.post(self._bodies.encode(request, tuned=False))

    def _check_kind(self, kind: str) -> None:
        if is_html(kind):
            raise not_an_api(self._shown_url, "a web page")
        if "json" in kind.lower():
            raise not_an_api(self._shown_url, "a whole message that is not streamed")

    def _safe(self, exc: Exception) -> Exception | None:
        """The cause, unless a traceback would show a key that the endpoint repeated."""
        return None if any(key in str(exc) for key in self._keys) else exc


def new_client(api_key: str, base_url: str, tls: ssl.SSLContext) -> anthropic.AsyncAnthropic:
    """The SDK's client for one endpoint. Raises `SettingsError` when the base URL is none."""
    try:
        return anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=endpoint(base_url),
            timeout=10.0,
            max_retries=0,
            open_telemetry=False,
            http_client=anthropic.DefaultAioHttpClient(verify=tls),
        )
    except httpx2.InvalidURL:
        raise SettingsError("ANTHROPIC_BASE_URL is no address: write it like https://api.anthropic.com") from None


def endpoint(base_url: str) -> str:
    """The base URL as the SDK wants it, with what people paste behind it taken off."""
    return base_url.strip().rstrip("/").removesuffix("/messages").removesuffix("/v1").rstrip("/")


def shown(base_url: str) -> str:
    """The endpoint for messages and logs: a user and password in it are left out."""
    parts = urlsplit(endpoint(base_url))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def check_keys(keys: Sequence[str]) -> Sequence[str]:
    """The keys. Raises `SettingsError` when there is none, or one that cannot be sent in a header."""
    if not keys or not all(keys):
        raise SettingsError("ANTHROPIC_API_KEY is empty: set it, or set SHOPDESK_MODEL=offline.")
    if not all(key.isascii() and key.isprintable() and " " not in key for key in keys):
        raise SettingsError("ANTHROPIC_API_KEY holds characters that no key has: copy it again.")
    return keys

"""Whatever speaks OpenAI's chat completions: OpenAI itself, gateways, vLLM, Ollama, DeepSeek …

The `openai` SDK is not used: all that would be left of it is a header.
"""

import json
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from urllib.parse import urlsplit, urlunsplit

import httpx2

from bot.errors import ModelRejected, ModelUnavailable, SettingsError
from bot.llm.base import ModelEvent, ModelRequest
from bot.llm.dialect import Dialect
from bot.llm.endpoint import Endpoint
from bot.llm.numbered import asks_for_marks
from bot.llm.openai_compatible.events import ChatReader
from bot.llm.openai_compatible.request import PARTS, BodyEncoder, Effort, Thinking
from bot.llm.refusals import TRANSPORT_ERRORS, error_in_stream, not_an_api, translate
from bot.llm.wire import MAX_ERROR_BYTES, Answer, Refusal, Wire, is_html

DEFAULT_BASE_URL = "https://api.openai.com/v1"
OPENAI = Endpoint("openai", DEFAULT_BASE_URL, "OPENAI_API_KEY", "OPENAI_BASE_URL")
_OWN_HOST = "api.openai.com"
_BEHIND_THE_END = 2.0
"""Seconds that figures may take which come behind a whole answer."""


class OpenAIModel:
    """One model at one endpoint, with one key or none. It never tries again by itself: that is for the one who knows
    the budget. But what an endpoint does not know it leaves out, and asks again at once.

    `read_timeout` is seconds without a byte, `silence` seconds without anything but signs of life. `like`: a model of
    the same name at the same endpoint, with which it shares what does not depend on the key.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str = "",
        endpoint: Endpoint = OPENAI,
        effort: Effort | None = None,
        thinking: Thinking | None = None,
        read_timeout: float = 30.0,
        silence: float = 60.0,
        tls: ssl.SSLContext | None = None,
        like: "OpenAIModel | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._key = endpoint.check_key(api_key)
        self._endpoint = endpoint
        self._silence = silence
        self._clock = clock
        self._tls: ssl.SSLContext = tls or (like._tls if like else httpx2.create_ssl_context())
        is_own = urlsplit(endpoint.base_url).hostname == _OWN_HOST
        self._bodies: BodyEncoder = (
            like._bodies if like else BodyEncoder(model, newer=is_own, effort=effort, thinking=thinking)
        )
        self._dialect: Dialect = like._dialect if like else Dialect(self.name, PARTS)
        headers = {"User-Agent": "shopdesk", "Accept": "text/event-stream, application/json", **endpoint.headers}
        try:
            self._wire = Wire(
                _address(endpoint.base_url, "chat/completions"),
                headers,
                self._tls,
                connect_timeout=endpoint.connect_timeout,
                read_timeout=read_timeout,
                follows=not endpoint.headers,
            )
        except ValueError:
            raise SettingsError(f"{endpoint.url_setting} is no address: write it like {DEFAULT_BASE_URL}") from None

    @property
    def name(self) -> str:
        return f"{self._endpoint.name}:{self._model}"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        reader = ChatReader(
            self._model,
            tuple(request.known),
            marked=asks_for_marks(request),
            calls_tools=bool(request.tools and request.may_call),
            taken=[call.id for one in request.rounds for call in one.calls],
            keys=[self._key],
        )
        try:
            answer = await self._open(request)
            try:
                async with aclosing(self._batches(answer, reader)) as batches:
                    async for events in batches:
                        for event in events:
                            yield event
            finally:
                answer.close(complete=reader.finished)
                self._bodies.thinks = self._bodies.thinks or reader.thinks
        except (Refusal, *TRANSPORT_ERRORS) as exc:
            raise translate(exc, self._endpoint, self._model, [self._key]) from self._safe(exc)
        except UnicodeEncodeError:
            raise ModelRejected("The request holds characters that are no Unicode text.") from None

    async def models(self) -> list[str]:
        """The names of the models that the endpoint lists. Raises `ModelError`."""
        try:
            listed = await self._wire.get(_address(self._endpoint.base_url, "models"), self._headers())
            return [str(one["id"]) for one in listed["data"]]
        except (Refusal, *TRANSPORT_ERRORS) as exc:
            raise translate(exc, self._endpoint, self._model, [self._key]) from self._safe(exc)
        except (KeyError, TypeError):
            raise not_an_api(self._endpoint, "no list of models") from None

    async def close(self) -> None:
        await self._wire.close()

    async def _batches(self, answer: Answer, reader: ChatReader) -> AsyncGenerator[list[ModelEvent], None]:
        """What each chunk of a stream adds, until the answer ends."""
        if is_html(answer.content_type):
            raise not_an_api(self._endpoint, "a web page")
        waiting_since, seen, is_first = self._clock(), 0, True
        try:
            async with aclosing(answer.chunks()) as chunks:
                async for chunk in chunks:
                    if is_first and "json" in answer.content_type.lower() and chunk.lstrip()[:1] in (b"{", b"["):
                        raise await self._whole(chunk, chunks)
                    is_first = False
                    yield reader.feed(chunk)
                    if reader.failure is not None:
                        raise reader.failure
                    if reader.finished:
                        return
                    if reader.ended:
                        answer.hurry(_BEHIND_THE_END)
                    elif reader.progress > seen:
                        waiting_since, seen = self._clock(), reader.progress
                    elif self._clock() - waiting_since > self._silence:
                        raise ModelUnavailable(f"The model sent nothing but signs of life for {self._silence:g} s.")
        except TRANSPORT_ERRORS:
            if not reader.ended:
                raise
        if not reader.progress and "event-stream" not in answer.content_type:
            raise not_an_api(self._endpoint, answer.content_type or "something")
        yield reader.eof()
        if reader.failure is not None:
            raise reader.failure

    async def _whole(self, chunk: bytes, chunks: AsyncGenerator[bytes, None]) -> Exception:
        """The failure that a body of JSON stands for where a stream was asked for."""
        async for more in chunks:
            chunk += more
            if len(chunk) > MAX_ERROR_BYTES:
                break
        try:
            said = json.loads(chunk)
        except (ValueError, RecursionError):
            said = None
        if isinstance(said, dict) and said.get("error"):
            return error_in_stream(said, [self._key])
        return not_an_api(self._endpoint, "a whole message that is not streamed")

    async def _open(self, request: ModelRequest) -> Answer:
        """The answer's head; what the endpoint refuses is left out until it accepts the rest."""
        without = self._dialect.without
        headers = self._headers() | self._endpoint.headers_for(request.conversation)
        while True:
            try:
                answer = await self._wire.post(self._bodies.encode(request, without), headers)
            except Refusal as refusal:
                less = self._dialect.next_try(refusal, without, [*self._bodies.parts_of(request, without)])
                if less is None:
                    raise
                without = less
            else:
                self._dialect.learned(without)
                return answer

    def _headers(self) -> dict[str, str]:
        if not self._key:
            return {}
        if self._endpoint.auth == "x-api-key":
            return {"x-api-key": self._key}
        return {"Authorization": f"Bearer {self._key}"}

    def _safe(self, exc: Exception) -> Exception | None:
        """The cause, unless a traceback would show a key that the endpoint repeated."""
        return None if self._key and self._key in str(exc) else exc


def _address(base_url: str, path: str) -> str:
    """The address of a method, whatever of it people paste as base URL; a host alone means its `/v1`."""
    parts = urlsplit(base_url.strip())
    root = parts.path.rstrip("/").removesuffix("/completions").removesuffix("/chat").rstrip("/") or "/v1"
    return urlunsplit(parts._replace(path=f"{root}/{path}", fragment=""))

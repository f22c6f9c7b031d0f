"""Claude, or whatever speaks the Messages API: the `ChatModel` of the anthropic SDK."""

import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anthropic
import httpx2

from bot.errors import ModelRejected, ModelUnavailable, SettingsError
from bot.llm.anthropic.dialect import BEARER, OLD_VERSION, PARTS, SEARCH_RESULTS, VERSION, parts_of
from bot.llm.anthropic.events import MessageReader
from bot.llm.anthropic.request import BodyEncoder, Effort, Thinking
from bot.llm.base import ModelEvent, ModelRequest
from bot.llm.dialect import Dialect, Without
from bot.llm.endpoint import Endpoint, shown
from bot.llm.numbered import asks_for_marks
from bot.llm.refusals import TRANSPORT_ERRORS, complaint_of, not_an_api, translate
from bot.llm.wire import Answer, Refusal, Wire, is_html

DEFAULT_BASE_URL = "https://api.anthropic.com"
ANTHROPIC = Endpoint("anthropic", DEFAULT_BASE_URL, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")


class AnthropicModel:
    """One model at one endpoint, with one key. It never tries again by itself: that is for the one who knows the
    budget. But what an endpoint does not know it leaves out, and asks again at once.

    `read_timeout` is seconds without a byte, `silence` seconds without anything but pings. `like`: a model of the
    same name at the same endpoint, with which it shares what does not depend on the key.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str,
        endpoint: Endpoint = ANTHROPIC,
        effort: Effort | None = None,
        thinking: Thinking | None = None,
        read_timeout: float = 30.0,
        silence: float = 60.0,
        tls: ssl.SSLContext | None = None,
        like: "AnthropicModel | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._key = endpoint.check_key(api_key)
        self._endpoint = endpoint
        self._silence = silence
        self._clock = clock
        self._tls: ssl.SSLContext = tls or (like._tls if like else httpx2.create_ssl_context())
        self._bodies: BodyEncoder = like._bodies if like else BodyEncoder(model, effort=effort, thinking=thinking)
        self._dialect: Dialect = like._dialect if like else Dialect(self.name, PARTS)
        root, headers = _address(endpoint, self._key, self._tls)
        self._bearer = headers.pop("Authorization", "")
        self._wire = Wire(
            f"{root}/v1/messages",
            headers,
            self._tls,
            connect_timeout=endpoint.connect_timeout,
            read_timeout=read_timeout,
            follows=not endpoint.headers,
        )
        self._models_url = f"{root}/v1/models"

    @property
    def name(self) -> str:
        return f"{self._endpoint.name}:{self._model}"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The answer, as `ChatModel.stream` promises it."""
        reader: MessageReader | None = None
        try:
            while reader is None or reader.paused:
                answer, without = await self._open(request, reader)
                if reader is None:
                    reader = self._reader(request, without)
                else:
                    reader.go_on()
                try:
                    async with aclosing(self._batches(answer, reader)) as batches:
                        async for events in batches:
                            for event in events:
                                yield event
                finally:
                    answer.close(complete=reader.finished or reader.paused is not None)
        except (Refusal, *TRANSPORT_ERRORS) as exc:
            raise translate(exc, self._endpoint, self._model, [self._key]) from self._safe(exc)
        except UnicodeEncodeError:
            raise ModelRejected("The request holds characters that are no Unicode text.") from None

    async def _batches(self, answer: Answer, reader: MessageReader) -> AsyncGenerator[list[ModelEvent], None]:
        """What each chunk of a stream adds, until the answer ends or pauses."""
        self._check_kind(answer.content_type)
        waiting_since, seen = self._clock(), reader.progress
        async with aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                yield reader.feed(chunk)
                if reader.failure is not None:
                    raise reader.failure
                if reader.finished or reader.paused:
                    return
                if reader.progress > seen:
                    waiting_since, seen = self._clock(), reader.progress
                elif self._clock() - waiting_since > self._silence:
                    raise ModelUnavailable(f"The model sent nothing but pings for {self._silence:g} s.")
        if not reader.progress and "event-stream" not in answer.content_type:
            raise not_an_api(self._endpoint, answer.content_type or "something")
        raise ModelUnavailable(f"The stream from {shown(self._endpoint.base_url)} ended before the answer did.")

    async def models(self) -> list[str]:
        """The names of the models that the endpoint lists. Raises `ModelError`."""
        try:
            listed = await self._wire.get(self._models_url, self._headers(self._dialect.without))
            return [str(one["id"]) for one in listed["data"]]
        except (Refusal, *TRANSPORT_ERRORS) as exc:
            raise translate(exc, self._endpoint, self._model, [self._key]) from self._safe(exc)
        except (KeyError, TypeError):
            raise not_an_api(self._endpoint, "no list of models") from None

    async def close(self) -> None:
        await self._wire.close()

    def _reader(self, request: ModelRequest, without: Without) -> MessageReader:
        numbered = SEARCH_RESULTS in without and asks_for_marks(request)
        # Most requests have nothing but the sections that all of them have in common.
        shared = not request.found and not request.rounds
        ids = self._bodies.sections(request.sections, without).ids.keys() if shared else request.known.keys()
        return MessageReader(
            self._model,
            ids,
            calls_tools=bool(request.tools and request.may_call),
            numbered=numbered,
            keys=[self._key],
        )

    async def _open(self, request: ModelRequest, reader: MessageReader | None) -> tuple[Answer, Without]:
        """The answer's head, and what was left out of the request until it was accepted."""
        without = self._dialect.without
        paused = reader.paused if reader else None
        while True:
            try:
                headers = self._headers(without) | self._endpoint.headers_for(request.conversation)
                body = self._bodies.encode(request, without=without, paused=paused)
                answer = await self._wire.post(body, headers)
            except Refusal as refusal:
                less = self._dialect.next_try(refusal, without, [*parts_of(request)])
                if less is None and self._wants_other_auth(refusal, without):
                    less = without | {BEARER}
                if less is None:
                    raise
                without = less
            else:
                self._dialect.learned(without)
                return answer, without

    def _wants_other_auth(self, refusal: Refusal, without: Without) -> bool:
        says = complaint_of(refusal.said).message.lower()
        return refusal.status == 401 and "x-api-key" in says and BEARER not in without and self._endpoint.auth is None

    def _headers(self, without: Without) -> dict[str, str]:
        """Those that carry the key, and the version where an older one is meant."""
        headers = {"anthropic-version": OLD_VERSION} if VERSION in without else {}
        if self._key and (self._endpoint.auth == "x-api-key" or BEARER in without):
            return {**headers, "x-api-key": self._key}
        return {**headers, "Authorization": self._bearer} if self._bearer else headers

    def _check_kind(self, kind: str) -> None:
        if is_html(kind):
            raise not_an_api(self._endpoint, "a web page")
        if "json" in kind.lower():
            raise not_an_api(self._endpoint, "a whole message that is not streamed")

    def _safe(self, exc: Exception) -> Exception | None:
        """The cause, unless a traceback would show a key that the endpoint repeated."""
        return None if self._key and self._key in str(exc) else exc


def _address(endpoint: Endpoint, key: str, tls: ssl.SSLContext) -> tuple[str, dict[str, str]]:
    """The root of the API, and the headers as the SDK sends them. Raises `SettingsError` when there is no such
    address."""
    try:
        client = anthropic.AsyncAnthropic(
            api_key=key or "none",
            base_url=root_of(endpoint.base_url),
            max_retries=0,
            open_telemetry=False,
            http_client=anthropic.DefaultAioHttpClient(verify=tls),
        )
        root = str(client.base_url.copy_with(userinfo=b"")).rstrip("/")
    except httpx2.InvalidURL:
        raise SettingsError(f"{endpoint.url_setting} is no address: write it like {DEFAULT_BASE_URL}") from None
    headers = {name: value for name, value in client.default_headers.items() if isinstance(value, str)}
    if not key:
        headers.pop("Authorization", None)
    if endpoint.auth == "x-api-key":
        headers["anthropic-version"] = OLD_VERSION
    return root, {**headers, **endpoint.headers}


def root_of(base_url: str) -> str:
    """The base URL as the SDK wants it, with what people paste behind it taken off."""
    return base_url.strip().rstrip("/").removesuffix("/messages").removesuffix("/v1").rstrip("/")

"""The loopback chat completions API itself: authentication, streaming, faults, and a log of all that was asked."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, Self

from aiohttp import web

from tests.servers.anthropic.script import Answer, Body, Fault, as_steps
from tests.servers.anthropic.server import HTML, Call
from tests.servers.anthropic.stream import Broken
from tests.servers.openai.rules import Refused, check_body
from tests.servers.openai.stream import chunks, reason_of

MODELS = ("gpt-5.5-mini", "gpt-4.1-mini", "deepseek-v4", "qwen3:8b", "llama3.2")
_CACHED_FROM, _CACHED_STEP = 256, 64
_PREFIXES_KEPT = 4


class OpenAIServer:
    """An async context manager; `url` is for OPENAI_BASE_URL.

    `rate` is in pieces a second (0: all at once), `piece` in characters, `delay` in seconds before the first text.
    `unknown` are the fields that it refuses, and `system` or `tools`; without `keys` it wants none.
    """

    def __init__(
        self,
        *,
        keys: Sequence[str] = ("sk-test-one", "sk-test-two"),
        models: Sequence[str] = MODELS,
        unknown: Collection[str] = (),
        rate: float = 0.0,
        piece: int = 8,
        delay: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.keys, self.models, self.unknown = tuple(keys), tuple(models), frozenset(unknown)
        self.rate, self.piece, self.delay = rate, piece, delay
        self.log: list[Call] = []
        self._host, self._port = host, port
        self._answer: Answer = "Dạ, shop chào bạn."
        self._faults: list[Fault] = []
        self._hits: dict[int, int] = {}
        self._seen: dict[str, list[str]] = {}
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()

    @classmethod
    def ollama(cls, **changes: Any) -> Self:
        """As a small local server: no key, no `stream_options`, no `max_completion_tokens`, no tools."""
        return cls(keys=(), unknown=("stream_options", "max_completion_tokens", "tools"), **changes)

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}/v1"

    @property
    def api_key(self) -> str:
        return self.keys[0] if self.keys else ""

    @property
    def calls(self) -> list[Call]:
        """The requests for completions, without those for the list of models."""
        return [call for call in self.log if call.path == "/v1/chat/completions"]

    def answer(self, answer: Answer) -> None:
        """What it says from now on: a text, steps, or a function of the request's body that gives either."""
        self._answer = answer

    def fault(self, fault: Fault) -> None:
        """Go wrong from now on; faults strike in the order in which they were set."""
        self._faults.append(fault)

    def heal(self) -> None:
        """No faults any more."""
        self._faults.clear()
        self._hits.clear()

    async def until(self, condition: Callable[[], bool], timeout: float = 5.0) -> None:
        """Return as soon as the condition holds; it is looked at whenever the log changes."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._completions)
        app.router.add_get("/v1/models", self._models)
        app.router.add_route("*", "/{rest:.*}", self._nothing_here)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port, backlog=1024).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        async with self._logged(request) as call:
            try:
                self._authenticate(request, call)
                call.raw = await request.read()
                call.body = _parsed(call.raw)
                self._changed.set()
                fault = self._next_fault(call.body)
                if fault and (early := await self._early(request, call, fault)):
                    return early
                check_body(call.body, unknown=self.unknown)
                if (model := call.body["model"]) not in self.models:
                    raise Refused(f"The model `{model}` does not exist.", 404, param="model", code="model_not_found")
            except Refused as refused:
                return self._error(call, refused)
            return await self._say(request, call, fault)

    async def _say(self, request: web.Request, call: Call, fault: Fault | None) -> web.StreamResponse:
        steps = as_steps(self._answer, call.body)
        usage = self._bill(call.key, call.body)
        call.status = 200
        self._changed.set()
        if not call.body.get("stream") or (fault and fault.kind == "json_body"):
            call.outcome = "complete"
            message = {"role": "assistant", "content": "Hello."}
            choices = [{"index": 0, "message": message, "finish_reason": reason_of(steps)}]
            return web.json_response({"object": "chat.completion", "choices": choices, "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        wanted = call.body.get("stream_options", {}).get("include_usage")
        try:
            async for sent, is_text in chunks(self, call.body["model"], steps, usage if wanted else None, fault):
                await response.write(sent)
                if is_text:
                    call.deltas += 1
                    if call.first_text is None:
                        call.first_text = time.monotonic()
                        self._changed.set()
        except Broken as broken:
            await self._break(request, call, broken.how)
        else:
            call.outcome = "complete"
            await response.write_eof()
        return response

    def _bill(self, key: str, body: Body) -> dict[str, Any]:
        """Usage, with what the longest equal beginning of an earlier request of the same key saves."""
        text = json.dumps([body.get("tools"), body["messages"]], ensure_ascii=False)
        seen = self._seen.setdefault(f"{key} {body['model']}", [])
        equal = max((_equal_start(text, one) for one in seen), default=0) // 4
        seen[_PREFIXES_KEPT:] = []
        seen.insert(0, text)
        cached = equal // _CACHED_STEP * _CACHED_STEP if equal >= _CACHED_FROM else 0
        return {
            "prompt_tokens": len(text) // 4,
            "completion_tokens": 1,
            "total_tokens": len(text) // 4 + 1,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        }

    async def _break(self, request: web.Request, call: Call, how: str) -> None:
        call.outcome = "fault"
        self._changed.set()
        if how == "reset" and request.transport is not None:
            request.transport.abort()
        elif how == "stall":
            await self._closing.wait()

    async def pings(self) -> AsyncIterator[None]:
        """Ticks for a stream that sends comments only, until the server closes."""
        while not self._closing.is_set():
            yield
            await asyncio.sleep(0.02)

    async def _early(self, request: web.Request, call: Call, fault: Fault) -> web.StreamResponse | None:
        if fault.kind == "http":
            call.outcome = "fault"
            headers = {"retry-after": fault.retry_after} if fault.retry_after is not None else {}
            return self._error(call, Refused(fault.message, fault.status, code=fault.error_type), headers)
        if fault.kind == "html":
            call.status, call.outcome = fault.status, "fault"
            return web.Response(status=fault.status, text=HTML, content_type="text/html")
        if fault.kind == "slow":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), fault.seconds if fault.seconds >= 0 else None)
        if fault.kind == "reset" and fault.after == -1 and request.transport is not None:
            call.outcome = "fault"
            request.transport.abort()
            return web.Response()
        return None

    def _next_fault(self, body: Body) -> Fault | None:
        for index, fault in enumerate(self._faults):
            hits = self._hits.get(index, 0)
            if (fault.times is None or hits < fault.times) and (fault.when is None or fault.when(body)):
                self._hits[index] = hits + 1
                return fault
        return None

    async def _models(self, request: web.Request) -> web.StreamResponse:
        async with self._logged(request) as call:
            try:
                self._authenticate(request, call)
            except Refused as refused:
                return self._error(call, refused)
            call.status, call.outcome = 200, "complete"
            rows = [{"id": model, "object": "model", "created": 1, "owned_by": "test"} for model in self.models]
            return web.json_response({"object": "list", "data": rows})

    async def _nothing_here(self, request: web.Request) -> web.StreamResponse:
        async with self._logged(request) as call:
            return self._error(call, Refused(f"Invalid URL ({request.method} {request.path})", 404))

    def _authenticate(self, request: web.Request, call: Call) -> None:
        if not self.keys:
            return
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if given not in self.keys:
            raise Refused(f"Incorrect API key provided: {given}.", 401, code="invalid_api_key")
        call.key = f"key-{self.keys.index(given) + 1}"

    def _error(self, call: Call, refused: Refused, headers: Mapping[str, str] | None = None) -> web.Response:
        call.status = refused.status
        if call.outcome == "running":
            call.outcome = "refused"
        error = {"message": refused.message, "type": "invalid_request_error", "param": refused.param}
        return web.json_response({"error": {**error, "code": refused.code}}, status=refused.status, headers=headers)

    @contextlib.asynccontextmanager
    async def _logged(self, request: web.Request) -> AsyncIterator[Call]:
        headers = {name.lower(): value for name, value in request.headers.items() if name.lower() != "authorization"}
        call = Call(time.monotonic(), request.method, request.path, headers)
        self.log.append(call)
        self._changed.set()
        try:
            yield call
        except (asyncio.CancelledError, ConnectionError):
            call.outcome = "disconnected"
            raise
        finally:
            call.ended = time.monotonic()
            self._changed.set()


def _equal_start(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refused("We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request.")
    return body

"""The loopback Messages API itself: authentication, streaming, faults, and a log of all that was asked."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web

from tests.servers.anthropic.cache import PromptCache, Tokens
from tests.servers.anthropic.models import MODELS, model_info
from tests.servers.anthropic.rules import Refused, check_body
from tests.servers.anthropic.script import Answer, Fault, as_steps, believable
from tests.servers.anthropic.stream import Broken, blocks_of, events, named, reason_of, whole_message
from tests.servers.idle import hang_up

MAX_REQUEST_BYTES = 32 * 1024 * 1024
KINDS = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error",
    503: "api_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip
HTML = "<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"

Outcome = Literal["running", "complete", "refused", "fault", "disconnected"]


@dataclass(slots=True)
class Call:
    """One request: what was asked, by which key (its label only), and what became of it. Times are monotonic."""

    arrived: float
    method: str
    path: str
    headers: Mapping[str, str]
    key: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    raw: bytes = b""
    status: int = 0
    outcome: Outcome = "running"
    first_text: float | None = None
    ended: float | None = None
    deltas: int = 0
    tokens: Tokens = field(default_factory=lambda: Tokens(0, 0, 0))
    """How its input was billed."""


class AnthropicServer:
    """An async context manager; `url` is for ANTHROPIC_BASE_URL, with or without `/v1` behind it.

    `rate` is in pieces a second (0: all at once), `piece` in characters, `delay` in seconds before the
    first text. `older` makes it a gateway that knows no `output_config` and no adaptive thinking; `of_2023` one
    that knows nothing but the API's first version: `x-api-key`, no cache, no search results, no thinking.
    Without `keeps` the log forgets what a request said once it is answered: in a crowd that is gigabytes.
    With `judges_late` a body is checked when the server closes, which then raises `Refused`, and nothing is billed:
    for programs that measure. To judge a body takes longer than all that the program does before it sends one.
    """

    def __init__(
        self,
        *,
        keys: Sequence[str] = ("sk-ant-test-one", "sk-ant-test-two"),
        models: Sequence[str] = MODELS,
        rate: float = 0.0,
        piece: int = 8,
        delay: float = 0.0,
        older: bool = False,
        of_2023: bool = False,
        keeps: bool = True,
        judges_late: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.keys = tuple(keys)
        self.models = tuple(models)
        self.rate, self.piece, self.delay, self.older = rate, piece, delay, older
        self.log: list[Call] = []
        self._of_2023 = of_2023
        self._keeps = keeps
        self._judges_late = judges_late
        self.witness: Callable[[str], None] = lambda step: None
        """Told when a request has `arrived`, of each `delta` that was sent, and when an answer is `complete`."""
        self._host, self._port = host, port
        self._answer: Answer = believable
        self._faults: list[Fault] = []
        self._hits: dict[int, int] = {}
        self._said: dict[str, tuple[str, list[dict[str, Any]]]] = {}
        """Id of a call → the model and the message that it was in."""
        self._paused: list[list[dict[str, Any]]] = []
        """What was said before pauses."""
        self._cache = PromptCache()
        self._ids = itertools.count(1)
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._one_by_one = asyncio.Lock()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    @property
    def api_key(self) -> str:
        return self.keys[0]

    @property
    def calls(self) -> list[Call]:
        """The requests for messages, without those for the list of models."""
        return [call for call in self.log if call.path == "/v1/messages"]

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

    def hang_up(self) -> None:
        """Close the lines on which nothing is asked."""
        hang_up(self._runner)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{model}", self._model)
        app.router.add_route("*", "/{rest:.*}", self._nothing_here)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, backlog=1024)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()
        if self._judges_late and kind is None:
            for call in self.calls:
                if call.body:  # it came whole
                    check_body(call.body, older=self.older)

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        async with self._logged(request) as call:
            try:
                self._authenticate(request, call)
                call.raw = await _read(request)
                async with self._one_by_one:  # what arrives meanwhile is logged before the next one is looked at
                    await asyncio.sleep(0)
                call.body = _parsed(call.raw)
                self._changed.set()
                self.witness("arrived")
                fault = self._next_fault(call.body)
                if fault and (early := await self._early(request, call, fault)):
                    return early
                if not self._judges_late:
                    self._judge(call.body)
                if call.body["model"] not in self.models:
                    raise Refused(f"model: {call.body['model']}", 404, "not_found_error")
            except Refused as refused:
                return self._error(call, refused.status, refused.kind, refused.message)
            return await self._say(request, call, fault)

    async def _say(self, request: web.Request, call: Call, fault: Fault | None) -> web.StreamResponse:
        tokens = call.tokens = Tokens(0, 0, 0) if self._judges_late else self._cache.bill(call.key, call.body)
        steps = named(as_steps(self._answer, call.body))
        blocks = blocks_of(call.body["model"], steps)
        for block in blocks:
            if block["type"] == "tool_use":
                self._said[block["id"]] = call.body["model"], blocks
        if reason_of(steps) == "pause_turn":
            self._paused.append(_bare([*self._before(call.body), *blocks]))
        call.status = 200
        self._changed.set()
        headers = {"request-id": self._request_id(), "anthropic-organization-id": "org-test"}
        if not call.body.get("stream") or (fault and fault.kind == "json_body"):
            call.outcome = "complete"
            return web.json_response(whole_message(call.body["model"], steps, tokens), headers=headers)
        response = web.StreamResponse(
            headers={**headers, "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
        )
        await response.prepare(request)
        try:
            async for data, delta in events(self, call.body["model"], steps, tokens, fault):
                await response.write(data)
                if delta:
                    call.deltas += 1
                    self.witness("delta")
                    if call.first_text is None:
                        call.first_text = time.monotonic()
                        self._changed.set()
        except Broken as broken:
            await self._break(request, call, broken.how)
        else:
            call.outcome = "complete"
            await response.write_eof()
            self.witness("complete")
        return response

    async def _break(self, request: web.Request, call: Call, how: str) -> None:
        call.outcome = "fault"
        self._changed.set()
        if how == "reset" and request.transport is not None:
            request.transport.abort()
        elif how == "stall":
            await self._closing.wait()

    async def pings(self) -> AsyncIterator[None]:
        """Ticks for a stream that sends pings only, until the server closes."""
        while not self._closing.is_set():
            yield
            await asyncio.sleep(0.02)

    async def _early(self, request: web.Request, call: Call, fault: Fault) -> web.StreamResponse | None:
        if fault.kind == "http":
            call.outcome = "fault"
            headers = {"retry-after": fault.retry_after} if fault.retry_after is not None else {}
            return self._error(call, fault.status, KINDS.get(fault.status, "api_error"), fault.message, headers)
        if fault.kind == "html":
            call.status, call.outcome = fault.status, "fault"
            return web.Response(text=HTML, content_type="text/html", status=fault.status)
        if fault.kind == "slow":
            await self._closing.wait() if fault.seconds < 0 else await asyncio.sleep(fault.seconds)
        if fault.kind == "reset" and fault.after == -1 and request.transport is not None:
            call.outcome = "fault"
            request.transport.abort()
            return web.Response()
        return None

    def _next_fault(self, body: Mapping[str, Any]) -> Fault | None:
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
                return self._error(call, refused.status, refused.kind, refused.message)
            call.status, call.outcome = 200, "complete"
            rows = [model_info(model) for model in self.models]
            ends = {"first_id": self.models[0], "last_id": self.models[-1]} if rows else {}
            return web.json_response({"data": rows, "has_more": False, **ends})

    async def _model(self, request: web.Request) -> web.StreamResponse:
        async with self._logged(request) as call:
            try:
                self._authenticate(request, call)
                if (model := request.match_info["model"]) not in self.models:
                    raise Refused(f"model: {model}", 404, "not_found_error")
            except Refused as refused:
                return self._error(call, refused.status, refused.kind, refused.message)
            call.status, call.outcome = 200, "complete"
            return web.json_response(model_info(model))

    async def _nothing_here(self, request: web.Request) -> web.StreamResponse:
        async with self._logged(request) as call:
            return self._error(call, 404, "not_found_error", "Not Found")

    def _check_said(self, body: Mapping[str, Any]) -> None:
        """What a model said before a call comes back to it as it was."""
        for index, message in enumerate(body["messages"]):
            if message["role"] != "assistant" or isinstance(message["content"], str):
                continue
            calls = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
            model, said = self._said.get(calls[0] if calls else "", ("", []))
            if model == body["model"] and _bare(said) != _bare(message["content"]):
                raise Refused(
                    f"messages.{index}.content: `thinking` or `redacted_thinking` blocks in the latest assistant "
                    "message cannot be modified. These blocks must remain as they were in the original response."
                )

    def _judge(self, body: Mapping[str, Any]) -> None:
        check_body(body, older=self.older, of_2023=self._of_2023, goes_on=self._goes_on(body))
        self._check_said(body)

    def _before(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the model said before the pause that a request goes on behind."""
        messages = body.get("messages") or [{}]
        last = messages[-1] if isinstance(messages, list) and isinstance(messages[-1], dict) else {}
        return list(last["content"]) if last.get("role") == "assistant" and isinstance(last["content"], list) else []

    def _goes_on(self, body: Mapping[str, Any]) -> bool:
        before = self._before(body)
        return bool(before) and _bare(before) in self._paused

    def _authenticate(self, request: web.Request, call: Call) -> None:
        given = "" if self._of_2023 else request.headers.get("Authorization", "")
        key = given.removeprefix("Bearer ") if given.startswith("Bearer ") else request.headers.get("x-api-key", "")
        if key not in self.keys:
            raise Refused("invalid authentication credentials" if given else "x-api-key header is required", 401,
                          "authentication_error")  # fmt: skip
        call.key = f"key-{self.keys.index(key) + 1}"
        if not request.headers.get("anthropic-version"):
            raise Refused("anthropic-version: header is required")
        if self._of_2023 and (version := request.headers["anthropic-version"]) != "2023-06-01":
            raise Refused(f"anthropic-version: {version!r} is not a valid version")

    def _error(
        self, call: Call, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        call.status = status
        if call.outcome == "running":
            call.outcome = "refused"
        request_id = self._request_id()
        body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
        return web.json_response(body, status=status, headers={"request-id": request_id, **(headers or {})})

    def _request_id(self) -> str:
        return f"req_{next(self._ids):024d}"

    @contextlib.asynccontextmanager
    async def _logged(self, request: web.Request) -> AsyncIterator[Call]:
        secret = {"authorization", "x-api-key"}
        headers = {name.lower(): value for name, value in request.headers.items() if name.lower() not in secret}
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
            if not self._keeps:
                call.raw, call.body, call.headers = b"", {}, {}
            self._changed.set()


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused("Request exceeds the maximum size", 413, "request_too_large") from None


def _bare(blocks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Blocks without what may be left out or added on their way back."""
    kept = [block for block in blocks if block["type"] != "text" or block["text"].strip()]
    return [
        {name: value for name, value in block.items() if value and name not in ("cache_control", "caller")}
        for block in kept
    ]


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refused("The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise Refused("Input should be a valid dictionary")
    return body

"""The HTTP side of the server: tokens, wire format, faults, limits, the log, webhooks."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl

import aiohttp
import regex
from aiohttp import web

from tests.servers.idle import hang_up
from tests.servers.telegram.faults import Fault, FaultKind
from tests.servers.telegram.flood import Flood
from tests.servers.telegram.hand import routes
from tests.servers.telegram.methods import FLOODED, METHODS, get_updates
from tests.servers.telegram.people import Customer, Group
from tests.servers.telegram.state import Account, Chat, Hook, Shown
from tests.servers.telegram.texts import Refused, bad

TOKEN = "1000001:AAtest-token-of-the-loopback-server-000"
_PATH = regex.compile(r"/(file/)?bot([^/]*)/(.+)")
_TOKEN = regex.compile(r"\d{3,}:[A-Za-z0-9_-]{20,}")
_BAD_GATEWAY = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `at` and `done` are monotonic seconds; `status` 0 means that it was never answered."""

    at: float
    done: float
    method: str
    params: Mapping[str, Any]
    status: int
    chat_id: int | None = None
    description: str = ""
    token: str = field(default="", repr=False)


@dataclass(slots=True)
class _Asked:
    at: float
    token: str
    method: str
    transport: asyncio.Transport | None
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def chat_id(self) -> int | None:
        try:
            return int(self.params["chat_id"])
        except (KeyError, TypeError, ValueError):
            return None


class TelegramServer:
    """An async context manager. `flood_limits`: refuse what Telegram would; `latency`: seconds before each answer.

    `drafts` False: a server of before Bot API 9.3, which has no drafts; `can_stop` False: one of before 10.3,
    strict about parameters that it does not know. `draft_seconds`: how long a draft is visible.
    """

    def __init__(
        self,
        *,
        flood_limits: bool = False,
        latency: float = 0.0,
        tokens: Sequence[str] = (TOKEN,),
        username: str = "shop_bot",
        calls_per_second: float = 30.0,
        reads_all_group_messages: bool = True,
        drafts: bool = True,
        can_stop: bool = True,
        draft_seconds: float = 30.0,
        port: int = 0,
    ) -> None:
        self.latency = latency
        self.log: list[Call] = []
        self.faults: list[Fault] = []
        self.witness: Callable[[str], None] = lambda step: None
        """Told of each call that is `applied:METHOD` and not answered yet, and when updates are `confirmed`."""
        self.posts: list[int] = []
        """The status of each post to a webhook; 0 where it was not reached."""
        self.accounts = {
            token: Account(token, username if number == 0 else f"{username}{number}", self._changed)
            for number, token in enumerate(tokens)
        }
        for account in self.accounts.values():
            account.reads_all_group_messages = reads_all_group_messages
            account.knows_drafts, account.knows_can_stop = drafts, can_stop
            account.draft_seconds = draft_seconds
            account.confirmed = lambda: self.witness("confirmed")
        self.token = tokens[0]
        self._floods = {token: Flood(calls_per_second) for token in tokens} if flood_limits else {}
        self._port = port
        self._change = asyncio.Event()
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._listen()
        self._tasks = [asyncio.create_task(self._deliver(account)) for account in self.accounts.values()]
        return self

    def hang_up(self) -> None:
        """Close the lines on which nothing is asked."""
        hang_up(self._runner)

    async def _listen(self) -> None:
        app = web.Application(client_max_size=60 * 2**20)
        app.add_routes(routes(self))
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024)
        await site.start()
        self._port = int(self._runner.addresses[0][1])

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Nothing listens at the address meanwhile; what was written waits, and nothing is forgotten."""
        assert self._runner is not None
        await self._runner.cleanup()
        yield
        await self._listen()

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def account(self) -> Account:
        return self.accounts[self.token]

    def customer(
        self,
        chat_id: int,
        name: str = "Lan",
        language_code: str | None = "vi",
        username: str | None = None,
        *,
        token: str | None = None,
        **fields: Any,
    ) -> Customer:
        """A person in a private chat with the bot; the chat's id is the person's."""
        account = self.accounts[token or self.token]
        chat = account.chats.setdefault(chat_id, Chat(chat_id, "private"))
        user = {"id": chat_id, "is_bot": False, "first_name": name, **fields}
        user |= {"language_code": language_code} if language_code else {}
        user |= {"username": username} if username else {}
        return Customer(account, chat, user)

    def group(self, chat_id: int = -1000000000100, title: str = "Shop") -> Group:
        """A group with the bot in it: a supergroup from -1000000000001 down."""
        kind = "supergroup" if chat_id < -(10**12) else "group"
        return Group(self.account, self.account.chats.setdefault(chat_id, Chat(chat_id, kind, title)))

    def add_account(self, token: str, username: str = "shop_bot") -> Account:
        """From now on this token is known."""
        account = self.accounts[token] = Account(token, username, self._changed)
        return account

    def push_update(self, update: Mapping[str, Any]) -> int:
        """Queue any object as an update; it gets a number unless it has one."""
        return self.account.push(update)

    def messages(self, chat_id: int, *, everybody: bool = False) -> Sequence[Shown]:
        """What the chat shows now, oldest first: the bot's messages, or everybody's."""
        return self.account.shown(chat_id, everybody=everybody)

    def texts(self, chat_id: int) -> list[str]:
        return [message.text for message in self.messages(chat_id)]

    def drafts(self, chat_id: int) -> list[str]:
        """The drafts that the chat shows now."""
        chat = self.account.chats.get(chat_id)
        return [draft.text for draft in chat.visible_drafts()] if chat else []

    def stop_pressed(self, chat_id: int, draft_id: int | None = None) -> int:
        """The customer presses Stop under a draft (the newest that has the button); the number of the update."""
        chat = self.account.chats[chat_id]
        if draft_id is None:
            draft_id = [draft.draft_id for draft in chat.visible_drafts() if draft.can_stop][-1]
        draft = chat.drafts.get(draft_id)
        thread = {"message_thread_id": draft.thread_id} if draft and draft.thread_id else {}
        pressed = {"chat": {**chat.as_dict(), "first_name": "Lan"}, "draft_id": draft_id, **thread}
        return self.push_update({"stopped_message_generation": pressed})

    def calls(self, method: str | None = None, *, chat_id: int | None = None, status: int | None = None) -> list[Call]:
        return [
            call
            for call in self.log
            if method in (None, call.method) and chat_id in (None, call.chat_id) and status in (None, call.status)
        ]

    def fail(self, kind: FaultKind, method: str | None = None, **options: Any) -> Fault:
        """Switch a fault on; see `Fault`."""
        fault = Fault(kind, method, **options)
        self.faults.append(fault)
        return fault

    async def wait_for(self, predicate: Callable[[], _T], timeout: float = 10.0) -> _T:
        """The first true value of `predicate`, which is asked after every change. Raises `TimeoutError`."""
        async with asyncio.timeout(timeout):
            while not (value := predicate()):
                await self._change.wait()
        return value

    def _changed(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        match = _PATH.fullmatch(request.path)
        token, method = (match[2], match[3]) if match else ("", request.path)
        if match and match[1]:
            return await self._download(request, token, method)
        asked = _Asked(time.monotonic(), token, method, request.transport)
        try:
            account = self._account(token)
            asked.params = await _params(request)
            return await self._called(asked, account)
        except Refused as exc:
            parameters = {"parameters": exc.parameters} if exc.parameters else {}
            body = {"ok": False, "error_code": exc.status, "description": exc.description, **parameters}
            self._record(asked, exc.status, exc.description)
            return web.json_response(body, status=exc.status)

    async def _called(self, asked: _Asked, account: Account) -> web.StreamResponse:
        method, chat_id = asked.method, asked.chat_id
        fault = next((fault for fault in self.faults if fault.hit(method, chat_id)), None)
        if self.latency:
            await asyncio.sleep(self.latency)
        if fault is not None and (response := await self._faulty(asked, fault)) is not None:
            return response
        if method == "sendMessageDraft" and not account.knows_drafts:
            raise Refused(404, "Not Found")
        flood = self._floods.get(account.token) if method in FLOODED and chat_id is not None else None
        if flood is not None and chat_id is not None and (wait := flood.take(chat_id, time.monotonic())) is not None:
            raise Refused(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        if method == "getUpdates":
            result = await get_updates(account, asked.params)
        elif method in METHODS:
            result = METHODS[method](account, asked.params)
        else:
            raise Refused(404, "Not Found")
        self.witness(f"applied:{method}")
        if fault is not None and fault.kind == "apply_and_cut":
            return self._cut(asked)
        self._record(asked, 200)
        return web.json_response({"ok": True, "result": result})

    async def _faulty(self, asked: _Asked, fault: Fault) -> web.StreamResponse | None:
        """What a fault answers; None when the call goes on as if nothing were wrong."""
        match fault.kind:
            case "flood":
                seconds = int(fault.seconds)
                raise Refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
            case "error":
                raise Refused(500, "Internal Server Error")
            case "bad_gateway":
                self._record(asked, 502, "Bad Gateway")
                return web.Response(status=502, text=_BAD_GATEWAY, content_type="text/html")
            case "cut":
                return self._cut(asked)
            case "hang":
                self._record(asked, 0, "never answered")
                await self._closing.wait()
                return web.Response()
            case "slow":
                await asyncio.sleep(fault.seconds)
            case "refuse":
                raise fault.refusal
            case "refuse_entities" if asked.params.get("entities"):
                raise bad("can't parse entities: refused by the test")
        return None

    def _cut(self, asked: _Asked) -> web.StreamResponse:
        self._record(asked, 0, "cut")
        if asked.transport is not None:
            asked.transport.abort()
        return web.Response()

    def _account(self, token: str) -> Account:
        if not _TOKEN.fullmatch(token):
            raise Refused(404, "Not Found")
        if token not in self.accounts:
            raise Refused(401, "Unauthorized")
        return self.accounts[token]

    async def _download(self, request: web.Request, token: str, path: str) -> web.StreamResponse:
        """A file; a "cut" of the method "file" breaks off in the middle of it."""
        response = self._file(token, path)
        if not any(fault.method == "file" and fault.hit("file", None) for fault in self.faults):
            return response
        body = response.body if isinstance(response.body, bytes) else b""
        half = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.abort()
        return half

    def _file(self, token: str, path: str) -> web.Response:
        account = self.accounts.get(token)
        for known, content in account.files.values() if account else ():
            if known == path:
                return web.Response(body=content)
        return web.json_response({"ok": False, "error_code": 404, "description": "Not Found"}, status=404)

    def _record(self, asked: _Asked, status: int, description: str = "") -> None:
        done = time.monotonic()
        self.log.append(
            Call(asked.at, done, asked.method, asked.params, status, asked.chat_id, description, asked.token)
        )
        self._changed()

    async def _deliver(self, account: Account) -> None:
        """Posts updates to the webhook one after another, each until it is answered with a 2xx."""
        async with aiohttp.ClientSession() as session:
            wait = 0.02
            while True:
                bell, hook = account.wake, account.hook
                if hook is None or not account.waiting:
                    await bell.wait()
                    continue
                update = account.waiting[0]
                status = await _post(session, hook, update)
                self.posts.append(status)
                if 200 <= status < 300:
                    if account.waiting and account.waiting[0] is update:
                        del account.waiting[0]
                    wait = 0.02
                else:
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, 1.0)
                self._changed()


async def _post(session: aiohttp.ClientSession, hook: Hook, update: Mapping[str, Any]) -> int:
    headers = {"X-Telegram-Bot-Api-Secret-Token": hook.secret} if hook.secret else {}
    try:
        async with session.post(
            hook.url, json=update, headers=headers, timeout=aiohttp.ClientTimeout(total=10), allow_redirects=False
        ) as response:
            return response.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return 0


async def _params(request: web.Request) -> dict[str, Any]:
    """Parameters from the address and from a form, a multipart body, or JSON."""
    params: dict[str, Any] = dict(request.query)
    if request.content_type == "multipart/form-data":
        form = await request.post()
        return {**params, **{name: value for name, value in form.items() if isinstance(value, str)}}
    body = await request.read()
    if not body:
        return params
    try:
        if request.content_type == "application/json":
            given = json.loads(body)
            if not isinstance(given, dict):
                raise bad("can't parse JSON object")
            return {**params, **given}
        return {**params, **dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict"))}
    except UnicodeDecodeError:
        raise bad("strings must be encoded in UTF-8") from None
    except ValueError:
        raise bad("can't parse JSON object") from None

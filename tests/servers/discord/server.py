"""A strict Discord on loopback: REST, gateway, the people who write there, faults, and a log of all requests."""

import asyncio
import copy
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.servers.discord.admin import Admin
from tests.servers.discord.bodies import Bodies
from tests.servers.discord.cdn import Cdn
from tests.servers.discord.clicks import Clicks
from tests.servers.discord.faults import Fault, Faults
from tests.servers.discord.gateway import Gateway
from tests.servers.discord.interactions import Interactions
from tests.servers.discord.limits import Limits, Verdict
from tests.servers.discord.messages import Message
from tests.servers.discord.people import Member
from tests.servers.discord.reactions import Reactions
from tests.servers.discord.rest import Rest
from tests.servers.discord.state import ApiError, State
from tests.servers.discord.threads import Threads
from tests.servers.discord.webhooks import Webhooks
from tests.servers.discord.wire import BODY, FILES, MAX_REQUEST, Upload, Uploads, read, reply
from tests.servers.discord.world import (
    FORUM,
    PERMISSIONS,
    PUBLIC_THREAD,
    TEXT,
    Channel,
    Guild,
    Payload,
    Role,
    User,
)
from tests.servers.idle import hang_up

API = "/api/v10"
MESSAGE_CONTENT_FLAG = 1 << 19


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `status` 0: the connection was cut."""

    at: float
    method: str
    path: str
    body: Any
    status: int
    query: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Upload, ...] = ()


class DiscordServer:
    """`async with DiscordServer() as server:` gives a guild with staff and others on a free loopback port.

    `message_content` is the switch in the developer portal; `limits` turns the rate limits on; `latency` is
    seconds that every answer takes. Without `in_guild` the bot has not been invited anywhere.
    """

    def __init__(
        self,
        *,
        message_content: bool = True,
        in_guild: bool = True,
        limits: bool = True,
        per_window: int = 5,
        window: float = 5.0,
        per_second: int = 50,
        latency: float = 0.0,
        answer_within: float = 3.0,
        token_lifetime: float = 900.0,
        heartbeat_interval: float = 41.25,
        public: bool = False,
        token: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        webhook_per_minute: int = 30,
        max_active_threads: int = 1000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.token = token or f"MTE.{secrets.token_urlsafe(12)}.{secrets.token_urlsafe(24)}"
        self.application_id = 1_100_000_000_000_000_001
        self.latency = latency
        self.log: list[Call] = []
        self.witness: Callable[[str], None] = lambda step: None
        """Told of each request that is `applied:METHOD ROUTE` and not answered yet (ids in a route are `*`),
        and of each event that was `told:EVENT`."""
        self.state = State(clock=clock, max_active_threads=max_active_threads)
        self._clock = clock
        self._address = (host, port)
        self._faults = Faults()
        self.cdn = Cdn(lambda: self.root, self.state.ids)
        self.limits = Limits(
            per_window=per_window,
            window=window,
            per_second=per_second,
            webhook_per_minute=webhook_per_minute,
            clock=clock,
            off=not limits,
        )
        self._runner: web.AppRunner | None = None
        self.gateway = self.state.gateway = self._gateway(message_content, heartbeat_interval)
        self.application = self._application(message_content=message_content, public=public)
        bodies = Bodies(self.state, self.cdn)
        self.admin = Admin(self.state)
        self.clicks = Clicks(self.state, application_id=self.application_id)
        self.reactions = Reactions(self.state)
        threads = Threads(self.state, bodies, self.limits)
        own = self.application_id
        self.webhooks = Webhooks(self.state, bodies, threads, self.limits, application_id=own)
        self._routes: list[web.RouteDef] = [
            *Rest(self.state, bodies, self.limits, application=self.application).routes(),
            *threads.routes(),
            *self.reactions.routes(),
            *Interactions(
                self.state, bodies, application_id=own, answer_within=answer_within, lifetime=token_lifetime
            ).routes(),
            *self.webhooks.routes(),
        ]
        self._furnish(in_guild=in_guild)

    def _gateway(self, message_content: bool, heartbeat_interval: float) -> Gateway:
        return Gateway(
            token=self.token,
            url=lambda: self.gateway_url,
            ready=self._ready,
            guilds=lambda: [self.state.guild_payload(guild) for guild in self.state.guilds],
            changed=self.state.notify,
            told=lambda event: self.witness(f"told:{event}"),
            message_content=message_content,
            heartbeat_interval=heartbeat_interval,
        )

    def _furnish(self, *, in_guild: bool) -> None:
        owner = self.state.new_user("Chủ shop")
        self.guild = self.state.new_guild("Shop", owner)
        self.owner = Member(self, owner, self.guild)
        self.staff_role = self.add_role("Staff")
        self.general = self.add_channel("general")
        self.forum = self.add_channel("tickets", kind=FORUM)
        self.thread = self.add_thread(self.general, "Ca chiều", owner=owner)
        self.staff = self.add_member("Lan", self.staff_role)
        self.stranger = self.add_member("Khách lạ")
        if not in_guild:
            self.state.guilds.clear()

    # What a test or a person at the keyboard does.

    def add_guild(self, name: str) -> Guild:
        return self.state.new_guild(name, self.state.new_user(f"Owner of {name}"))

    def add_role(self, name: str, *permissions: str, guild: Guild | None = None) -> Role:
        role = Role(next(self.state.ids), name, sum(PERMISSIONS[one] for one in permissions))
        (guild or self.guild).roles.append(role)
        return role

    def add_channel(self, name: str, *, kind: int = TEXT, guild: Guild | None = None) -> Channel:
        channel = self.state.new_channel(kind, name=name, guild=guild or self.guild)
        self.state.announce("CHANNEL_CREATE", channel)
        return channel

    def add_thread(self, parent: Channel, name: str, *, owner: User | None = None) -> Channel:
        thread = self.state.new_channel(
            PUBLIC_THREAD,
            name=name,
            guild=parent.guild,
            parent_id=parent.id,
            owner_id=(owner or self.state.bot).id,
        )
        self.state.announce("THREAD_CREATE", thread)
        return thread

    def add_member(self, name: str, *roles: Role, guild: Guild | None = None, user: User | None = None) -> Member:
        guild, user = guild or self.guild, user or self.state.new_user(name)
        guild.members[user.id] = user
        guild.member_roles[user.id] = [role.id for role in roles]
        return Member(self, user, guild)

    def host_file(self, name: str, data: bytes, media_type: str) -> Payload:
        """An attachment for `Member.write`, whose bytes this server hands out."""
        return self.cdn.host(name, data, media_type)

    def messages(self, channel: Channel | int) -> list[Message]:
        """What everybody in the channel sees now, oldest first (no ephemeral ones, none still thinking)."""
        found = self.state.channels[channel if isinstance(channel, int) else channel.id].messages
        return [one for one in found if not one.deleted and not one.ephemeral and not one.thinking]

    def answers(self, channel: Channel | int) -> list[Message]:
        """The bot's messages among them."""
        return [message for message in self.messages(channel) if message.author is self.state.bot]

    def thinking(self, channel: Channel | int) -> list[Message]:
        """The "… is thinking" signs that are still shown."""
        found = self.state.channels[channel if isinstance(channel, int) else channel.id].messages
        return [one for one in found if one.thinking and not one.deleted]

    def calls(self, method: str, path: str) -> list[Call]:
        """The logged requests with this method whose path matches the pattern."""
        return [call for call in self.log if call.method == method and re.search(path, call.path)]

    def fault(
        self,
        method: str,
        path: str,
        *,
        status: int = 0,
        body: Payload | None = None,
        headers: dict[str, str] | None = None,
        cut: str | None = None,
        delay: float = 0.0,
        times: int = 1,
        applied: bool = False,
    ) -> None:
        """Let the next `times` requests fail: with `status`, or `cut` "before" or "after" they are applied.

        `path` is a pattern. For a 429 as Discord sends it give `body={"retry_after": …}`. With `applied` the
        answer is `status` although the request took effect.
        """
        fault = Fault(method, re.compile(path), status, body, headers, cut, delay, times, applied)
        self._faults.add(fault)

    async def wait_for(self, predicate: Callable[[], Any], timeout: float = 10.0) -> Any:
        """Wait until `predicate()` is true after some change, and give its value."""
        async with asyncio.timeout(timeout):
            while not (result := predicate()):
                await self.state.change_comes()
        return result

    # The server itself.

    @property
    def root(self) -> str:
        return f"http://{self._address[0]}:{self._address[1]}"

    @property
    def api_url(self) -> str:
        return self.root + API

    @property
    def gateway_url(self) -> str:
        return f"ws://{self._address[0]}:{self._address[1]}/gateway"

    def hang_up(self) -> None:
        """Close the lines on which nothing is asked."""
        hang_up(self._runner)

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._front], client_max_size=MAX_REQUEST)
        for route in self._routes:
            app.router.add_route(route.method, API + route.path, route.handler)
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/gateway/", self.gateway.handle)
        app.router.add_get("/attachments/{id}/{name}", self.cdn.handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, *self._address)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self._address = (host, port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        self.gateway.drop(1001)
        await self._runner.cleanup()

    @web.middleware
    async def _front(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not request.path.startswith(API):
            return await self._outside(request, handler)
        at, path = self._clock(), request.path.removeprefix(API)
        fault = self._faults.next(request.method, path)
        body: Any = None
        files: Uploads = {}

        def call(status: int) -> Call:
            return Call(at, request.method, path, body, status, dict(request.query), tuple(files.values()))

        try:
            body, files = await read(request)
            request[BODY], request[FILES] = copy.deepcopy(body), files
            if (wait := self.latency + (fault.delay if fault else 0.0)) > 0:
                await asyncio.sleep(wait)
            if fault is not None and fault.cut == "before":
                return self._cut(request, call(0))
            response = await self._answer(request, path, fault, handler)
            self.witness(f"applied:{request.method} {_route(path)}")
        except ApiError as exc:
            response = _refusal(exc)
        if fault is not None and fault.cut == "after":
            return self._cut(request, call(0))
        self.log.append(call(response.status))
        self.state.notify()
        return response

    async def _outside(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Gateway and files: no limits and no log, but they fail when they are told to."""
        fault = self._faults.next(request.method, request.path) or Fault("", re.compile(""))
        await asyncio.sleep(fault.delay)
        if fault.cut is not None:
            return self._cut(request, Call(self._clock(), request.method, request.path, None, 0))
        return self._failed(fault) if fault.status else await handler(request)

    async def _answer(self, request: web.Request, path: str, fault: Fault | None, handler: Any) -> web.Response:
        free = re.match(r"/interactions/|/webhooks/[^/]+/.", path) is not None
        if not free and request.headers.get("Authorization") != f"Bot {self.token}":
            raise ApiError(401, 0, "401: Unauthorized")
        if fault is not None and fault.status and not fault.applied:
            return self._failed(fault)
        verdict = self.limits.spend(request.method, path, counts_globally=not free)
        try:
            response = self._too_many(verdict) if verdict and verdict.retry_after else await handler(request)
        except ApiError as exc:
            response = _refusal(exc)
        except web.HTTPException as exc:
            response = reply({"message": f"{exc.status}: {exc.reason}", "code": 0}, exc.status)
        if fault is not None and fault.status:
            response = self._failed(fault)
        if verdict is not None:
            response.headers.update(verdict.headers())
        return response

    def _failed(self, fault: Fault) -> web.Response:
        response = reply(fault.body or {"message": f"{fault.status}: Fault", "code": 0}, fault.status)
        response.headers.update(fault.headers or {})
        return response

    def _too_many(self, verdict: Verdict) -> web.Response:
        words = "You are being rate limited."
        return reply({"message": words, "retry_after": verdict.retry_after, "global": verdict.whole_account}, 429)

    def _cut(self, request: web.Request, call: Call) -> web.Response:
        self.log.append(call)
        self.state.notify()
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    def _ready(self) -> Payload:
        return {
            "v": 10,
            "user": self.state.bot.payload(),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in self.state.guilds],
            "application": {"id": str(self.application_id), "flags": self.application["flags"]},
        }

    def _application(self, *, message_content: bool, public: bool) -> Payload:
        return {
            "id": str(self.application_id),
            "name": "Shopdesk",
            "icon": None,
            "description": "",
            "bot_public": public,
            "bot_require_code_grant": False,
            "owner": User(1, "Developer").payload(),
            "verify_key": "0" * 64,
            "team": None,
            "flags": MESSAGE_CONTENT_FLAG if message_content else 0,
        }


def _route(path: str) -> str:
    return re.sub(r"/(\d+|@original)(?=/|$)", "/*", path)


def _refusal(error: ApiError) -> web.Response:
    response = reply(error.body, error.status)
    response.headers.update(error.headers)
    return response

"""A strict Discord on loopback: REST, gateway, the people who write there, faults, and a log of all requests."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from aiohttp import web

from tests.servers.discord.gateway import Gateway
from tests.servers.discord.interactions import Interactions
from tests.servers.discord.limits import Limits, Verdict
from tests.servers.discord.people import Member
from tests.servers.discord.rest import BODY, Rest, reply
from tests.servers.discord.state import ApiError, Interaction, State
from tests.servers.discord.world import (
    FORUM,
    PERMISSIONS,
    PUBLIC_THREAD,
    TEXT,
    Channel,
    Guild,
    Message,
    Payload,
    Role,
    User,
)
from tests.servers.idle import hang_up

API = "/api/v10"
MESSAGE_CONTENT_FLAG = 1 << 19
LIMITED = (
    ("POST", re.compile(r"/channels/(\d+)/messages$"), "create-message"),
    ("GET", re.compile(r"/channels/(\d+)/messages$"), "list-messages"),
    ("PATCH", re.compile(r"/channels/(\d+)/messages/\d+$"), "edit-message"),
    ("POST", re.compile(r"/channels/(\d+)/typing$"), "typing"),
    ("POST", re.compile(r"/webhooks/\d+/([^/]+)$"), "webhook"),
    ("PATCH", re.compile(r"/webhooks/\d+/([^/]+)/messages/[^/]+$"), "webhook"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `status` 0: the connection was cut."""

    at: float
    method: str
    path: str
    body: Any
    status: int


@dataclass(slots=True)
class Fault:
    """What happens to the next `times` requests that match; see `DiscordServer.fault`."""

    method: str
    path: re.Pattern[str]
    status: int
    body: Payload | None
    headers: dict[str, str]
    cut: str | None
    delay: float
    times: int


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.token = token or f"MTE.{secrets.token_urlsafe(12)}.{secrets.token_urlsafe(24)}"
        self.application_id = 1_100_000_000_000_000_001
        self.latency = latency
        self.log: list[Call] = []
        self.witness: Callable[[str], None] = lambda step: None
        """Told of each request that is `applied:METHOD ROUTE` and not answered yet (ids in a route are `*`),
        and of each event that was `told:EVENT`."""
        self.state = State(clock=clock)
        self._clock = clock
        self._address = (host, port)
        self._faults: list[Fault] = []
        self._files: dict[str, tuple[bytes, str]] = {}
        self.limits = Limits(per_window=per_window, window=window, per_second=per_second, clock=clock)
        self._limited = limits
        self._runner: web.AppRunner | None = None
        self.gateway = self.state.gateway = self._gateway(message_content, heartbeat_interval)
        self.application = self._application(message_content=message_content, public=public)
        self._interactions = Interactions(
            self.state, application_id=self.application_id, answer_within=answer_within, lifetime=token_lifetime
        )
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
        file_id = next(self.state.ids)
        path = f"/attachments/{file_id}/{quote(name)}"
        self._files[path] = (data, media_type)
        return {
            "id": str(file_id),
            "filename": name,
            "size": len(data),
            "url": self.root + path,
            "proxy_url": self.root + path,
            "content_type": media_type,
        }

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
    ) -> None:
        """Let the next `times` requests fail: with `status`, or `cut` "before" or "after" they are applied.

        `path` is a pattern. For a 429 as Discord sends it give `body={"retry_after": …}`.
        """
        heads = dict(headers or {})
        if status == 429 and body is not None:
            heads = {"Via": "1.1 google", "Retry-After": str(int(body["retry_after"]) + 1)} | heads
        self._faults.append(Fault(method, re.compile(path), status, body, heads, cut, delay, times))

    async def wait_for(self, predicate: Callable[[], Any], timeout: float = 10.0) -> Any:
        """Wait until `predicate()` is true after some change, and give its value."""
        async with asyncio.timeout(timeout):
            while not (result := predicate()):
                await self.state.change_comes()
        return result

    def interact(self, channel: Channel, user: User, name: str, options: Sequence[Payload], locale: str) -> Interaction:
        """Use a slash command; it must have been registered."""
        everywhere = self.state.commands.get(None, [])
        here = self.state.commands.get(channel.guild.id, []) if channel.guild else []
        command = next((one for one in [*here, *everywhere] if one["name"] == name), None)
        if command is None:
            raise LookupError(f"/{name} is not registered")
        data: Payload = {"id": command["id"], "name": name, "type": 1}
        if options:
            data["options"] = list(options)
        interaction = Interaction(next(self.state.ids), secrets.token_urlsafe(40), channel, user, self._clock())
        self.state.interactions[interaction.id] = interaction
        payload = self.state.interaction_payload(interaction, self.application_id, data, locale)
        self.gateway.dispatch("INTERACTION_CREATE", 0, lambda _: payload)
        return interaction

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
        app = web.Application(middlewares=[self._front])
        rest = Rest(self.state, application=self.application)
        for route in [*rest.routes(), *self._interactions.routes()]:
            app.router.add_route(route.method, API + route.path, route.handler)
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/gateway/", self.gateway.handle)
        app.router.add_get("/attachments/{id}/{name}", self._file)
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

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if request.raw_path not in self._files:
            return web.Response(status=404, text="This content is no longer available.")
        data, media_type = self._files[request.raw_path]
        return web.Response(body=data, content_type=media_type)

    @web.middleware
    async def _front(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not request.path.startswith(API):
            return await handler(request)  # type: ignore[no-any-return]
        at, path = self._clock(), request.path.removeprefix(API)
        fault = self._fault_for(request.method, path)
        body: Any = None
        try:
            body = request[BODY] = await self._body(request)
            if (wait := self.latency + (fault.delay if fault else 0.0)) > 0:
                await asyncio.sleep(wait)
            if fault is not None and fault.cut == "before":
                return self._cut(request, Call(at, request.method, path, body, 0))
            response = await self._answer(request, path, fault, handler)
            self.witness(f"applied:{request.method} {_route(path)}")
        except ApiError as exc:
            response = reply(exc.body, exc.status)
        if fault is not None and fault.cut == "after":
            return self._cut(request, Call(at, request.method, path, body, 0))
        self.log.append(Call(at, request.method, path, body, response.status))
        self.state.notify()
        return response

    async def _answer(self, request: web.Request, path: str, fault: Fault | None, handler: Any) -> web.Response:
        free = path.startswith(("/interactions/", "/webhooks/"))
        if not free and request.headers.get("Authorization") != f"Bot {self.token}":
            raise ApiError(401, 0, "401: Unauthorized")
        if fault is not None and fault.status:
            response = reply(fault.body or {"message": f"{fault.status}: Fault", "code": 0}, fault.status)
            response.headers.update(fault.headers)
            return response
        verdict = self._verdict(request.method, path, counts_globally=not free)
        try:
            response = self._too_many(verdict) if verdict and verdict.retry_after else await handler(request)
        except ApiError as exc:
            response = reply(exc.body, exc.status)
        except web.HTTPException as exc:
            response = reply({"message": f"{exc.status}: {exc.reason}", "code": 0}, exc.status)
        if verdict is not None:
            response.headers.update(verdict.headers())
        return response

    def _verdict(self, method: str, path: str, *, counts_globally: bool) -> Verdict | None:
        if not self._limited:
            return None
        for limited, pattern, bucket in LIMITED:
            if limited == method and (found := pattern.search(path)):
                return self.limits.spend(bucket, found[1], counts_globally=counts_globally)
        return self.limits.spend(None, "", counts_globally=counts_globally)

    def _too_many(self, verdict: Verdict) -> web.Response:
        words = "You are being rate limited."
        return reply({"message": words, "retry_after": verdict.retry_after, "global": verdict.whole_account}, 429)

    def _fault_for(self, method: str, path: str) -> Fault | None:
        for fault in self._faults:
            if fault.times > 0 and fault.method == method and fault.path.search(path):
                fault.times -= 1
                return fault
        return None

    async def _body(self, request: web.Request) -> Any:
        raw = await request.read()
        if not raw:
            return {}
        if request.headers.get("Content-Type") != "application/json":
            raise ApiError(400, 50035, "Expected Content-Type application/json")
        try:
            return json.loads(raw)
        except ValueError:
            raise ApiError(400, 50109, "The request body contains invalid JSON.") from None

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

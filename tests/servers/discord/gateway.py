"""The gateway of the loopback Discord: sessions over websockets, with replay, invalidation and close codes."""

import asyncio
import json
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.servers.discord.world import Payload

GUILDS, MEMBERS, PRESENCES = 1 << 0, 1 << 1, 1 << 8
GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 9, 1 << 12, 1 << 15
GUILD_WEBHOOKS, GUILD_REACTIONS, DIRECT_REACTIONS = 1 << 5, 1 << 10, 1 << 13
ALL_INTENTS = (1 << 26) - 1
DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, CHUNK, INVALID, HELLO, ACK = (
    0,
    1,
    2,
    3,
    4,
    6,
    7,
    8,
    9,
    10,
    11,
)

Shape = Callable[[int], Payload | None]
"""What a session with these intents is told of an event; None: nothing."""


class Socket:
    """One connection. What is pushed goes out in order, compressed as the client asked for it."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request, *, compressed: bool) -> None:
        self.session: Session | None = None
        self._ws = ws
        self._request = request
        self._deflate = zlib.compressobj() if compressed else None
        self._queue: asyncio.Queue[Payload | int | None] = asyncio.Queue()

    def push(self, frame: Payload) -> None:
        self._queue.put_nowait(frame)

    def close(self, code: int) -> None:
        self._queue.put_nowait(code)

    def end(self) -> None:
        self._queue.put_nowait(None)

    def cut(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    def go_deaf(self) -> None:
        if isinstance(self._request.transport, asyncio.Transport):
            self._request.transport.pause_reading()

    async def pump(self) -> None:
        while (item := await self._queue.get()) is not None:
            if isinstance(item, int):
                await self._ws.close(code=item)
                return
            text = json.dumps(item)
            try:
                if self._deflate is None:
                    await self._ws.send_str(text)
                else:
                    packed = self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                    await self._ws.send_bytes(packed)
            except ConnectionError:
                return


@dataclass(eq=False)
class Session:
    intents: int
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    sequence: int = 0
    sent: list[Payload] = field(default_factory=list)
    socket: Socket | None = None

    def dispatch(self, event: str, data: Payload) -> None:
        """Send an event, or keep it for a RESUME while nobody is connected."""
        self.sequence += 1
        frame: Payload = {"op": DISPATCH, "t": event, "s": self.sequence, "d": data}
        self.sent.append(frame)
        if self.socket is not None:
            self.socket.push(frame)


class Gateway:
    """`allowed_intents` are those that the developer portal grants; privileged others close with 4014."""

    def __init__(
        self,
        *,
        token: str,
        url: Callable[[], str],
        ready: Callable[[], Payload],
        guilds: Callable[[], list[Payload]],
        changed: Callable[[], None],
        told: Callable[[str], None],
        message_content: bool,
        heartbeat_interval: float,
    ) -> None:
        self.sessions: list[Session] = []
        self.identified: list[Payload] = []
        self.resumed: list[Payload] = []
        self.opened: list[float] = []
        """When connections were told HELLO, in seconds of the loop."""
        self.refuse_connections = False
        self.withhold_guilds = False
        """Send no GUILD_CREATE after READY, as during an outage, until `send_guilds`."""
        self.message_content = message_content
        self._token = token
        self._url = url
        self._ready = ready
        self._guilds = guilds
        self._changed = changed
        self._told = told
        self._heartbeat_interval = heartbeat_interval
        self._sockets: set[Socket] = set()

    @property
    def connected(self) -> bool:
        return any(session.socket is not None for session in self.sessions)

    def dispatch(self, event: str, intent: int, shape: Shape) -> None:
        """Tell every session that asked for any of the `intent` bits (0: everybody)."""
        for session in self.sessions:
            if intent and not session.intents & intent:
                continue
            data = shape(session.intents)
            if data is not None:
                # A session must never see the objects of another one or of the world.
                session.dispatch(event, json.loads(json.dumps(data)))
        self._told(event)
        self._changed()

    def send_guilds(self) -> None:
        """Tell all sessions what their servers look like."""
        for session in self.sessions:
            for guild in self._guilds():
                session.dispatch("GUILD_CREATE", guild)

    def send_raw(self, frame: Payload) -> None:
        for socket in self._sockets:
            socket.push(frame)

    def drop(self, code: int | None = None) -> None:
        """Close all connections with `code`, or cut them without a word."""
        for socket in list(self._sockets):
            if code is None:
                socket.cut()
            else:
                socket.close(code)

    def go_deaf(self) -> None:
        """Read nothing more from anybody, so that no goodbye is answered either."""
        for socket in self._sockets:
            socket.go_deaf()

    def ask_to_reconnect(self) -> None:
        self.send_raw({"op": RECONNECT, "d": None})

    def invalidate(self, *, resumable: bool = False) -> None:
        """Forget the sessions (unless `resumable`) and say so: op 9."""
        if not resumable:
            for session in self.sessions:
                session.socket = None
            self.sessions.clear()
        self.send_raw({"op": INVALID, "d": resumable})

    def forget_sessions(self) -> None:
        """Let the next RESUME fail, as after a long time away."""
        self.sessions.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_connections:
            return web.Response(status=503, text="upstream connect error")
        ws = web.WebSocketResponse(max_msg_size=4096)
        await ws.prepare(request)
        socket = Socket(ws, request, compressed=request.query.get("compress") == "zlib-stream")
        self._sockets.add(socket)
        self.opened.append(asyncio.get_running_loop().time())
        pump = asyncio.create_task(socket.pump())
        if request.query.get("v") != "10" or request.query.get("encoding") != "json":
            socket.close(4012)
        else:
            socket.push({"op": HELLO, "d": {"heartbeat_interval": int(self._heartbeat_interval * 1000)}})
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    self._receive(socket, message.data)
                else:
                    socket.close(4002)
        finally:
            self._sockets.discard(socket)
            if socket.session is not None and socket.session.socket is socket:
                socket.session.socket = None
            socket.end()
            await pump
            self._changed()
        return ws

    def _receive(self, socket: Socket, text: str) -> None:
        try:
            frame = json.loads(text)
            op, data = frame["op"], frame.get("d")
        except (ValueError, KeyError, TypeError):
            socket.close(4002)
            return
        if op == HEARTBEAT:
            socket.push({"op": ACK})
        elif op == IDENTIFY:
            self._identify(socket, data)
        elif op == RESUME:
            self._resume(socket, data)
        elif op in (PRESENCE, VOICE, CHUNK):
            if socket.session is None:
                socket.close(4003)
        else:
            socket.close(4001)

    def _identify(self, socket: Socket, data: Any) -> None:
        if socket.session is not None:
            return socket.close(4005)
        if not isinstance(data, dict) or not isinstance(data.get("properties"), dict):
            return socket.close(4002)
        self.identified.append(data)
        if data.get("token") != self._token:
            return socket.close(4004)
        intents = data.get("intents")
        if not isinstance(intents, int) or intents & ~ALL_INTENTS:
            return socket.close(4013)
        granted = MESSAGE_CONTENT if self.message_content else 0
        if intents & (MEMBERS | PRESENCES | MESSAGE_CONTENT) & ~granted:
            return socket.close(4014)
        session = Session(intents, socket=socket)
        socket.session = session
        self.sessions.append(session)
        place = {"session_id": session.id, "resume_gateway_url": self._url()}
        session.dispatch("READY", self._ready() | place)
        for guild in [] if self.withhold_guilds else self._guilds():
            session.dispatch("GUILD_CREATE", guild)
        self._changed()

    def _resume(self, socket: Socket, data: Any) -> None:
        self.resumed.append(data)
        if data.get("token") != self._token:
            return socket.close(4004)
        session = next((one for one in self.sessions if one.id == data.get("session_id")), None)
        if session is None or not isinstance(data.get("seq"), int):
            return socket.push({"op": INVALID, "d": False})
        if data["seq"] > session.sequence:
            return socket.close(4007)
        session.socket = socket
        socket.session = session
        for frame in session.sent:
            if frame["s"] > data["seq"]:
                socket.push(frame)
        session.dispatch("RESUMED", {})
        self._changed()

"""uvicorn inside our own event loop: bound by us, without signal handlers, stopped when we say so."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Self, cast

import h11
import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from bot.errors import AccountRejected, Unavailable

_QUEUED = 16 * 1024
"""Bytes that may wait in our process for one reader; about as much again waits in the kernel."""
_KEEP_ALIVE = 75
_LAST_WORDS = 3


class Wire(H11Protocol):
    """One connection, which the application can ask whether its reader keeps up.

    `request_patience`: so many seconds after it has begun a request must have arrived.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        request_patience: float,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "wire": self}, _loop)
        self._request_patience = request_patience
        self._deadline: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """The connection that a request came by."""
        wire = scope["state"]["wire"]
        assert isinstance(wire, cls)
        return wire

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_QUEUED)
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # uvicorn has no limit for what has begun: a byte now and then would hold the connection for ever.
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait_for_request()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    async def is_writable(self, timeout: float) -> bool:
        """Wait until there is room for more. False after `timeout` seconds without any, and when it is cut."""
        try:
            async with asyncio.timeout(timeout):
                await self.flow.drain()
        except TimeoutError:
            return False
        return not self.transport.is_closing()

    def abort(self) -> None:
        """Cut the connection and throw away what was not read."""
        self.transport.abort()

    def _wait_for_request(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._request_patience, self.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class WebServer(uvicorn.Server):
    """Serve `app` on a socket of `bind` until `stop` is called."""

    def __init__(self, app: ASGIApp, *, started: Callable[[], None], request_patience: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=cast(Any, partial(Wire, request_patience=request_patience)),
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=_LAST_WORDS,
                h11_max_incomplete_event_size=32 * 1024,
            )
        )
        self._stop = asyncio.Event()
        self._on_start = started

    def stop(self) -> None:
        """Take no more requests, let the running ones end."""
        self.should_exit = True
        self._stop.set()
        asyncio.get_running_loop().call_later(_LAST_WORDS / 3, self._cut)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stop.wait()

    def _cut(self) -> None:
        # A reader that does not read cannot be waited for.
        for connection in list(self.server_state.connections):
            if isinstance(connection, Wire):
                connection.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the program, not to one of its doors."""
        yield


async def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `Unavailable` when the port is taken, `AccountRejected` when it never will do."""
    where = f"{host}:{port}"
    listening: socket.socket | None = None
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        # With the protocol named: only then asyncio turns off Nagle's algorithm, which costs 40 ms an answer.
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except OSError as exc:
        if listening is not None:
            listening.close()
        raise _translated(exc, where) from exc
    listening.setblocking(False)
    # The connections inherit it: without it the kernel lets megabytes pile up for one slow reader.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * _QUEUED)
    return listening


def _translated(exc: OSError, where: str) -> Unavailable | AccountRejected:
    if exc.errno == errno.EADDRINUSE:
        return Unavailable(
            f"The web chat cannot start: {where} is already in use by another program. "
            "Stop that program or set SHOPDESK_WEB to another port, for example 127.0.0.1:8081.",
            maybe_applied=False,
        )
    if exc.errno in (errno.EACCES, errno.EPERM):
        return AccountRejected(
            f"The web chat cannot start: this user may not listen on {where}. "
            "Set SHOPDESK_WEB to a port above 1023, for example 127.0.0.1:8080."
        )
    if isinstance(exc, socket.gaierror) or exc.errno == errno.EADDRNOTAVAIL:
        return AccountRejected(
            f"The web chat cannot start: {where} is no address of this machine. "
            "Set SHOPDESK_WEB to one that is, for example 127.0.0.1:8080."
        )
    return Unavailable(
        f"The web chat cannot start: listening on {where} failed ({exc.strerror or type(exc).__name__}). "
        "Look at the system's limits, or set SHOPDESK_WEB to another address.",
        maybe_applied=False,
    )

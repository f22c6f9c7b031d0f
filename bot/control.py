"""How another command asks the program that runs: one line of JSON in, one out, on a port that only this machine sees.

The program alone writes into its database. A command that changes something therefore asks it, and does the
work itself only when no program runs. Where it listens, and the token that it wants to hear, are in a file of
the data folder that its owner alone may read.
"""

import asyncio
import hmac
import json
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bot.errors import ControlError, ShopdeskError

log = logging.getLogger(__name__)

Commands = Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Any]]]
"""What may be asked: name → function of the arguments. Both they and its result are values of JSON."""

FILE = "control.json"
_HOST = "127.0.0.1"
_MOST = 64 * 1024
"""Bytes of a request; of an answer, 64 times as many."""
_PATIENCE = 5.0
"""Seconds in which a request must have been read."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class _Place:
    port: int
    token: str
    pid: int


class Control:
    """The side that is asked. `folder` is the data folder."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self._file = folder / FILE
        self._commands = commands
        self._token = secrets.token_urlsafe(32)
        self._answering: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Listen until cancelled. Without a port or a place for the file it says so and returns."""
        try:
            server = await asyncio.start_server(self._serve, _HOST, 0, limit=_MOST)
        except OSError as exc:
            log.warning("no command can ask this program: no port on %s: %s", _HOST, exc.strerror)
            return
        place = _Place(server.sockets[0].getsockname()[1], self._token, os.getpid())
        async with server:
            try:
                await asyncio.to_thread(_write, self._file, place)
                await server.serve_forever()
            except OSError as exc:
                log.warning("no command can ask this program: %s cannot be written: %s", self._file, exc.strerror)
            finally:
                for task in self._answering:
                    task.cancel()
                if _read(self._file) == place:
                    with suppress(OSError):
                        self._file.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._answering.add(task)
        try:
            if len(self._answering) <= _AT_ONCE:
                async with asyncio.timeout(_PATIENCE):
                    line = await reader.readline()
                answer = await self._answer(line)
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                async with asyncio.timeout(_PATIENCE):
                    await writer.drain()
        except (OSError, ValueError, TimeoutError):  # gone, too long, or too slow
            log.debug("a command was not understood")
        finally:
            self._answering.discard(task)
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        request = _parsed(line)
        if request is None or not hmac.compare_digest(str(request.get("token")).encode(), self._token.encode()):
            return {"stranger": True}
        name, arguments = request.get("command"), request.get("arguments")
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None or not isinstance(arguments, dict):
            return {"error": "The program that runs does not know this command: it is another version. Restart it."}
        try:
            return {"value": await command(arguments)}
        except ShopdeskError as exc:
            return {"error": str(exc)}
        except Exception:
            log.exception("the command %s broke", name)
            return {"error": "The program that runs has a fault of its own; its log says where."}


async def ask(folder: Path, command: str, *, timeout: float = 60.0, **arguments: Any) -> Any:
    """What the program that runs on a data folder answers. `timeout` in seconds.

    Raises `NotListening` when none was reached, and `ControlError` with the sentence of one that refuses.
    """
    place = await asyncio.to_thread(_read, folder / FILE)
    if place is None:
        raise NotListening("No program listens for commands on this data folder.")
    request = {"token": place.token, "command": command, "arguments": arguments}
    try:
        async with asyncio.timeout(timeout):
            line = await _exchange(place.port, json.dumps(request).encode() + b"\n")
    except TimeoutError:
        raise ControlError(f"The program that runs did not answer within {timeout:g} s; its log may say why.") from None
    except (OSError, ValueError):
        line = b""
    answer = _parsed(line)
    if answer is None or answer.get("stranger"):  # it was killed, and its port may be another program's by now
        raise NotListening(f"The program with the number {place.pid} does not listen any more.")
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer.get("value")


class NotListening(ControlError):
    """No program was reached: none runs, or it has not come so far yet."""


async def _exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(_HOST, port, limit=64 * _MOST)
    try:
        writer.write(request)
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _write(file: Path, place: _Place) -> None:
    """Never half written, and never for a moment readable by others."""
    partial = file.with_name(f"{file.name}.{place.pid}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "w", encoding="utf-8") as opened:
        json.dump(asdict(place), opened)
    os.replace(partial, file)


def _read(file: Path) -> _Place | None:
    try:
        value = _parsed(file.read_bytes()[:_MOST])
        return _Place(int(value["port"]), str(value["token"]), int(value["pid"])) if value else None
    except (OSError, KeyError, TypeError, ValueError):
        return None

"""`FAILPOINT=name:n` kills the program at the n-th pass of a named step, so that tests can reach every one.

What wraps a thing is that thing: the root puts the failing twin where the real one would be, and nothing
else knows of it.
"""

import os
import signal
from collections.abc import AsyncGenerator, Callable
from typing import Any, NoReturn, TypeVar

from bot.chat import (
    Address,
    ChatPlatform,
    InboundMessage,
    MessageRef,
    OutboundMessage,
    Ready,
    Receive,
    UnreadableUpdate,
)
from bot.errors import SettingsError
from bot.llm.base import ChatModel, Finished, ModelEvent, ModelRequest, TextDelta
from bot.storage.database import Database, Work
from bot.wrapped import WrappedPlatform

T = TypeVar("T")

WRITES = (
    "Canaries.start",
    "Canaries.step",
    "Messages.receive",
    "Messages.park",
    "Messages.close",
    "Messages.take_up",
    "Messages.give_back",
    "Messages.start_afresh",
    "Messages.keep_start",
    "Messages.keep_attachment",
    "Outbox.sending",
    "Outbox.sent",
    "Outbox.unsent",
    "PolicyVersions.store",
    "PolicyVersions.activate",
    "PolicyVersions.consider",
    "StoredBookmarks.keep",
    "Switches.turn",
    "Turns.cover",
    "Turns.store",
)
"""Every method that writes to the database without a desk: one transaction each."""
DESK_WRITES = (
    "Cases.block",
    "Cases.change",
    "Cases.is_shown",
    "Cases.keep_post",
    "Cases.lose_post",
    "Cases.open",
    "Cases.take_over",
    "Errands.done",
    "Errands.told",
    "Relays.delivered",
    "Relays.passed_on",
    "Relays.show_staff",
    "Relays.take_over",
    "StoredShelf.clear",
    "StoredShelf.put",
)
"""Those that only a desk needs."""
STEPS = (
    *("receive", "received"),
    *("send:growing", "sent:growing", "send:whole", "sent:whole"),
    *("edit:growing", "edited:growing", "edit:whole", "edited:whole"),
    *("typing", "typed"),
    *("request", "delta", "finished"),
    *(f"{moment}:{name}" for name in WRITES for moment in ("write", "committed")),
)
"""Pairs are just before and just behind a call. `growing` and `whole`: whether the message is to grow on; `write`:
inside the transaction, with all of it done."""

DESK_STEPS = (
    *("delete", "deleted"),
    *(f"{moment}:{name}" for name in DESK_WRITES for moment in ("write", "committed")),
)
"""Only where staff work are messages taken away, and files sent."""


class Failpoint:
    """Counts the passes of one step, and ends the process at the n-th."""

    def __init__(self, name: str, passes: int, *, die: Callable[[], object]) -> None:
        self._name = name
        self._left = passes
        self._die = die

    def reached(self, name: str) -> None:
        """A step is passed."""
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                self._die()


def kill_this_process() -> NoReturn:
    """End at once, as from outside by `kill -9`: nothing is closed, flushed or said good-bye to."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)


def failpoint_of(value: str, *, die: Callable[[], object] = kill_this_process) -> Failpoint:
    """The failpoint that FAILPOINT names. Raises `SettingsError` with all the names."""
    name, _, passes = value.rpartition(":")
    known = (*STEPS, *DESK_STEPS)
    if name not in known or not (passes.isascii() and passes.isdecimal() and int(passes) > 0):
        raise SettingsError(
            f"FAILPOINT is wrong: {value!r} is not NAME:N with N from 1 and NAME one of {', '.join(known)}. "
            "It is for tests of this program only: leave it empty."
        )
    return Failpoint(name, int(passes), die=die)


class FailingPlatform(WrappedPlatform):
    """A `ChatPlatform` whose calls and deliveries are steps."""

    def __init__(self, platform: ChatPlatform, reached: Callable[[str], None]) -> None:
        super().__init__(platform)
        self._reached = reached

    async def run(self, receive: Receive, ready: Ready) -> None:
        async def failing(message: InboundMessage | UnreadableUpdate) -> None:
            self._reached("receive")
            await receive(message)
            self._reached("received")

        await self._platform.run(failing, ready)

    async def send(self, to: Address, message: OutboundMessage, *, key: str) -> MessageRef:
        self._reached(f"send:{_kind(message)}")
        ref = await self._platform.send(to, message, key=key)
        self._reached(f"sent:{_kind(message)}")
        return ref

    async def edit(self, ref: MessageRef, message: OutboundMessage) -> MessageRef:
        self._reached(f"edit:{_kind(message)}")
        shown = await self._platform.edit(ref, message)
        self._reached(f"edited:{_kind(message)}")
        return shown

    async def delete(self, ref: MessageRef) -> None:
        self._reached("delete")
        await self._platform.delete(ref)
        self._reached("deleted")

    async def show_typing(self, at: Address) -> None:
        self._reached("typing")
        await self._platform.show_typing(at)
        self._reached("typed")


class FailingModel:
    """A `ChatModel` whose request, deltas and end are steps."""

    def __init__(self, model: ChatModel, reached: Callable[[str], None]) -> None:
        self._model = model
        self._reached = reached

    @property
    def name(self) -> str:
        return self._model.name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self._reached("request")
        events = self._model.stream(request)
        try:
            async for event in events:
                if isinstance(event, TextDelta):
                    self._reached("delta")
                elif isinstance(event, Finished):
                    self._reached("finished")
                yield event
        finally:
            await events.aclose()

    async def close(self) -> None:
        await self._model.close()


class FailingDatabase(Database):
    """A `Database` around another one, in which every transaction is two steps, named by the method that makes it."""

    def __init__(self, database: Database, reached: Callable[[str], None]) -> None:
        self.path = database.path
        self._database = database
        self._reached = reached

    async def read(self, work: Work[T]) -> T:
        return await self._database.read(work)

    async def write(self, work: Work[T]) -> T:
        name = work.__qualname__.partition(".<locals>")[0]

        def failing(db: Any) -> T:
            result = work(db)
            self._reached(f"write:{name}")
            return result

        result = await self._database.write(failing)
        self._reached(f"committed:{name}")
        return result

    async def close(self) -> None:
        await self._database.close()


def _kind(message: OutboundMessage) -> str:
    return "growing" if message.growing else "whole"

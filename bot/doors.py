"""The doors of the program: each is kept open, whatever becomes of its platform, and the others do not notice."""

import asyncio
import logging
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.chat import ChatPlatform, Receive
from bot.errors import AccountRejected, PlatformError
from bot.scheduler import SendScheduler

log = logging.getLogger(__name__)

Announce = Callable[[str], None]
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_LONGEST_REJECTED = 300.0
"""Discord resets the token of a bot that identifies more than 1,000 times a day."""
_STEADY = 60.0
"""A door that was on for so long begins with the shortest pause again."""


@dataclass(slots=True)
class Door:
    """One platform that is served, and how it is doing: `on`, or a sentence that says why not."""

    platform: ChatPlatform
    scheduler: SendScheduler
    state: str = "starting"
    rejected: bool = False


async def keep_open(door: Door, doors: Mapping[str, Door], receive: Receive, announce: Announce) -> None:
    """Run a door, and start it again with backoff when it fails; the other doors do not notice.

    Returns when the door ends by itself. Raises `AccountRejected` when no door is left that could work.
    """
    name, pause, clock = door.platform.name, _FIRST_PAUSE, asyncio.get_running_loop().time
    on_since = math.inf

    def ready(words: str) -> None:
        nonlocal on_since
        on_since = min(on_since, clock())
        if door.state != "on":
            announce(line(name, "on", words))
        door.state, door.rejected = "on", False

    while True:
        on_since, before = math.inf, door.state
        try:
            await door.platform.run(receive, ready)
            return
        except PlatformError as exc:
            door.state, door.rejected = str(exc), isinstance(exc, AccountRejected)
            if all(other.rejected for other in doors.values()):
                raise
            if on_since < math.inf or door.state != before:
                announce(line(name, "down", f"{exc} It is tried again by itself."))
        except Exception:
            door.state, door.rejected = "failed, see the log", False
            log.exception("%s failed", name)
        if clock() - on_since >= _STEADY:
            pause = _FIRST_PAUSE
        log.info("%s is tried again in %.0f s", name, pause)
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))
        pause = min(2 * pause, _LONGEST_REJECTED if door.rejected else _LONGEST_PAUSE)


def line(name: str, state: str, words: str) -> str:
    """How a part of the program stands, as the operator reads it."""
    return f"{name:<9} {state:<4} {words}"

"""Hands on what came in: in order within a channel, channels apart from each other, tried again on failure."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from bot.chat import InboundMessage, Receive, UnreadableUpdate
from bot.errors import StorageError

log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]


class Deliveries:
    """One line of work per channel, `capacity` works in all. `close` drops what has not begun.

    `on_room` is called whenever there is room for one more.
    """

    def __init__(self, *, capacity: int, on_room: Callable[[], None]) -> None:
        self._capacity = capacity
        self._on_room = on_room
        self._count = 0
        self._waiting: dict[int, deque[Work]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def add(self, channel_id: int, work: Work) -> bool:
        """Do this after all that was added for the channel before. Returns at once; False: it will not be done,
        for want of room or after `close`."""
        if self._closed or self._count >= self._capacity:
            return False
        self._count += 1
        if (waiting := self._waiting.get(channel_id)) is not None:
            waiting.append(work)
            return True
        self._waiting[channel_id] = deque([work])
        task = asyncio.create_task(self._work_off(channel_id), name=f"discord-channel-{channel_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def is_busy(self, channel_id: int) -> bool:
        """Whether something is being done for the channel, or waits for it."""
        return channel_id in self._waiting

    async def _work_off(self, channel_id: int) -> None:
        waiting = self._waiting[channel_id]
        try:
            while waiting:
                await self._do(waiting.popleft(), channel_id)
        finally:
            del self._waiting[channel_id]

    async def _do(self, work: Work, channel_id: int) -> None:
        try:
            await work()
        except Exception:
            log.exception("A message in channel %s was lost", channel_id)
        finally:
            self._count -= 1
            self._on_room()

    async def close(self) -> None:
        self._closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def deliver(
    receive: Receive, message: InboundMessage | UnreadableUpdate, pauses: Sequence[float], *, late: Work
) -> bool:
    """Hand a message on, again after each of `pauses` (seconds, at least one) when that fails. False: it was not taken.

    A storage that takes nothing is waited for as long as that lasts, with the last pause between two tries.
    `late` is called once, when all pauses were not enough.
    """
    update = message.update_id if isinstance(message, UnreadableUpdate) else message.message_id
    tries, may_go_on = 0, True
    while may_go_on:
        try:
            await receive(message)
            return True
        except StorageError as exc:
            log.error("Message %s waits, it cannot be stored: %s", update, exc)
        except Exception:
            log.exception("Message %s was not taken", update)
            may_go_on = tries < len(pauses)
        if tries == len(pauses):
            await late()
        if may_go_on:
            await asyncio.sleep(pauses[min(tries, len(pauses) - 1)])
        tries += 1
    return False

"""How far each place on Discord was read: known at once, and written down for the next start."""

import asyncio
import logging
from collections.abc import Mapping

from bot.chat import Bookmarks
from bot.errors import StorageError

log = logging.getLogger(__name__)


class Places:
    """Place → id of the newest message in it that is dealt with: stored, or not meant for the bot.

    Writing lags `pause` seconds behind, so that a chatty channel costs nothing: what is read again after a
    crash is known by its id. Without `bookmarks` all is forgotten with the process.
    """

    def __init__(self, bookmarks: Bookmarks | None, *, pause: float) -> None:
        self._bookmarks = bookmarks
        self._pause = pause
        self._marks: dict[str, int] = {}
        self._changed: dict[str, str | None] = {}
        self._change = asyncio.Event()
        self._failed = False

    async def load(self) -> None:
        """Read what an earlier process has written. Raises `StorageError`."""
        if self._bookmarks is not None:
            for place, mark in (await self._bookmarks.load()).items():
                if mark.isdecimal():
                    self._marks[place] = max(int(mark), self._marks.get(place, 0))

    def mark(self, place: str) -> int | None:
        return self._marks.get(place)

    def newest(self, count: int, *, prefix: str = "") -> list[str]:
        """The places that something happened in last, the newest first."""
        found = [place for place in self._marks if place.startswith(prefix)]
        return sorted(found, key=self._marks.__getitem__, reverse=True)[:count]

    def reached(self, place: str, message_id: int) -> None:
        """Everything up to this message is dealt with. A place is never read less far than before."""
        if message_id > self._marks.get(place, -1):
            self._marks[place] = message_id
            self._changed[place] = str(message_id)
            self._change.set()

    def forget(self, place: str) -> None:
        """There is no such place any more."""
        if self._marks.pop(place, None) is not None:
            self._changed[place] = None
            self._change.set()

    async def run(self) -> None:
        """Write down what changes, until cancelled."""
        while True:
            await self._change.wait()
            await asyncio.sleep(self._pause)
            await self.write()

    async def write(self) -> None:
        """Write down what changed. What cannot be stored stays to be written."""
        self._change.clear()
        changed, self._changed = self._changed, {}
        if not changed or self._bookmarks is None:
            return
        try:
            await self._bookmarks.keep(changed)
            self._failed = False
        except StorageError as exc:
            self._restore(changed)
            if not self._failed:
                log.error("How far Discord was read cannot be stored, a restart would read some of it again: %s", exc)
            self._failed = True

    def _restore(self, changed: Mapping[str, str | None]) -> None:
        self._changed = {**changed, **self._changed}
        self._change.set()

"""What was begun and may be there already: so that what is done again after a crash is found, not doubled.

Webhooks know no keys, and Discord remembers those of a bot's messages for minutes only.
"""

import logging

from bot.chat import Bookmarks
from bot.errors import StorageError

log = logging.getLogger(__name__)


class Journal:
    """Place → the key of what was begun there last, and the newest message that was there before it.

    In a place one thing is written after the other, so the last one is all that can be in doubt. Without
    `bookmarks` all is forgotten with the process.
    """

    def __init__(self, bookmarks: Bookmarks | None) -> None:
        self._bookmarks = bookmarks
        self._begun: dict[str, str] = {}

    async def load(self) -> None:
        """Read what an earlier process has written. Raises `StorageError`."""
        if self._bookmarks is not None:
            self._begun = {**await self._bookmarks.load(), **self._begun}

    async def begin(self, place: str, key: str, after: int) -> int | None:
        """What has this key is about to be written behind the message `after`. When it was begun before: the
        message behind which it would be."""
        before, _, known = self._begun.get(place, "").partition(" ")
        if known == key and before.isdecimal():
            return int(before)
        await self._keep(place, f"{after} {key}")
        return None

    async def forget(self, place: str) -> None:
        """Nothing is in doubt there any more, nor will be."""
        if place in self._begun:
            await self._keep(place, None)

    async def _keep(self, place: str, begun: str | None) -> None:
        if begun is None:
            self._begun.pop(place, None)
        else:
            self._begun[place] = begun
        if self._bookmarks is None:
            return
        try:
            await self._bookmarks.keep({place: begun})
        except StorageError as exc:
            # What staff wait for is worth more than the small chance that a crash shows it twice.
            log.warning("What is written at the desk is not on record: %s", exc)

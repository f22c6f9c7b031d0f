"""Which messages staff wrote last in each post: so that one that is missing later is known to have been deleted."""

import logging
from collections.abc import Collection

from adapters.discord.newest import Newest
from bot.chat import Bookmarks
from bot.errors import StorageError

log = logging.getLogger(__name__)

_PREFIX = "said:"
_OF_A_POST = 20
_POSTS = 2000


class Said:
    """The newest messages of the newest posts. Without `bookmarks` all is forgotten with the process."""

    def __init__(self, bookmarks: Bookmarks | None) -> None:
        self._bookmarks = bookmarks
        self._said: Newest[int, tuple[int, ...]] = Newest(_POSTS)

    async def load(self) -> None:
        """Read what an earlier process has written. Raises `StorageError`."""
        if self._bookmarks is None:
            return
        for place, words in (await self._bookmarks.load()).items():
            ids = [int(word) for word in words.split() if word.isdecimal()]
            if place.startswith(_PREFIX) and place.removeprefix(_PREFIX).isdecimal() and ids:
                self._said.setdefault(int(place.removeprefix(_PREFIX)), tuple(ids))

    async def note(self, post_id: int, message_id: int) -> None:
        """One of the staff wrote this."""
        before = self._said.get(post_id, ())
        if message_id not in before:
            await self._keep(post_id, (*before, message_id)[-_OF_A_POST:])

    async def forget(self, post_id: int, message_id: int) -> None:
        """It was deleted, and that is known."""
        before = self._said.get(post_id, ())
        if message_id in before:
            await self._keep(post_id, tuple(one for one in before if one != message_id))

    def missing(self, post_id: int, there: Collection[int], *, since: int, until: int) -> list[int]:
        """Which of them, from `since` on and up to `until`, are not among those that are `there`."""
        return [one for one in self._said.get(post_id, ()) if since <= one <= until and one not in there]

    async def _keep(self, post_id: int, ids: tuple[int, ...]) -> None:
        self._said[post_id] = ids
        if self._bookmarks is None:
            return
        try:
            await self._bookmarks.keep({f"{_PREFIX}{post_id}": f"ids {' '.join(map(str, ids))}" if ids else None})
        except StorageError as exc:
            log.warning("What staff wrote last is not on record: %s", exc)

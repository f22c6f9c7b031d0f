"""The files that stand with messages of the page, and the addresses at which a browser fetches them."""

import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from fastapi import Request, Response

from adapters.web.visitors import visitor_of
from bot.chat import File, Shelf, Shelved
from bot.errors import StorageError

MOST_FILES = 10
LARGEST_FILE = 20_000_000

_SHOWN = frozenset(
    {
        *("image/jpeg", "image/png", "image/gif", "image/webp"),
        *("audio/mpeg", "audio/ogg", "audio/mp4", "audio/wav", "audio/webm", "video/mp4", "video/webm"),
    }
)
"""What a browser shows without running anything in it; all else it only saves."""
_ROOM = 64_000_000


class MemoryShelf:
    """A `Shelf` without a database: the newest files, gone with the process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, int], tuple[Shelved, File]] = OrderedDict()

    async def put(self, chat_id: str, key: str, files: Sequence[File]) -> tuple[Shelved, ...]:
        for position, file in enumerate(files):
            if (chat_id, key, position) not in self._kept:
                shelved = Shelved(secrets.token_urlsafe(24), file.name, file.media_type, len(file.data))
                self._kept[chat_id, key, position] = (shelved, file)
        while sum(len(file.data) for _, file in self._kept.values()) > _ROOM and len(self._kept) > MOST_FILES:
            self._kept.popitem(last=False)
        return (await self.of(chat_id)).get(key, ())

    async def of(self, chat_id: str) -> Mapping[str, tuple[Shelved, ...]]:
        found: dict[str, tuple[Shelved, ...]] = {}
        for (chat, key, _), (shelved, _) in self._kept.items():
            if chat == chat_id:
                found[key] = (*found.get(key, ()), shelved)
        return found

    async def take(self, chat_id: str, token: str) -> File | None:
        for (chat, _, _), (shelved, file) in self._kept.items():
            if chat == chat_id and secrets.compare_digest(shelved.token.encode(), token.encode()):
                return file
        return None

    async def clear(self, chat_id: str, key: str) -> None:
        for place in [place for place in self._kept if place[:2] == (chat_id, key)]:
            del self._kept[place]


async def hand_out(shelf: Shelf, request: Request) -> Response:
    """A file, to the browser whose conversation it is in. Nobody can guess the address, and to others it is none."""
    visitor = visitor_of(request)
    try:
        file = None if visitor.is_new else await shelf.take(visitor.chat_id, request.path_params["token"])
    except StorageError:
        return Response("Try again later", 503, media_type="text/plain", headers={"retry-after": "10"})
    if file is None:
        return Response("Not found", 404, media_type="text/plain", headers={"cache-control": "no-store"})
    shown = file.media_type in _SHOWN
    name = quote(file.name or "file", safe="")
    headers = {
        "content-disposition": f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{name}",
        "content-security-policy": "default-src 'none'; sandbox",
        "cache-control": "private, max-age=31536000, immutable",
    }
    return Response(file.data, media_type=file.media_type if shown else "application/octet-stream", headers=headers)

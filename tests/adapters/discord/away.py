"""What the tests about being away share: a notebook of how far was read, and a door that has been there before."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from bot.errors import StorageFull
from tests.adapters.discord.conftest import Desk, running
from tests.servers.discord import Channel, DiscordServer

HISTORY = r"^/channels/\d+/messages$"


class Notebook:
    """Bookmarks on a disk that may be full, and to which a killed process writes nothing more."""

    def __init__(self, marks: Mapping[str, str] | None = None) -> None:
        self.marks = dict(marks or {})
        self.is_full = False
        self.writes = 0

    async def load(self) -> Mapping[str, str]:
        return dict(self.marks)

    async def keep(self, marks: Mapping[str, str | None]) -> None:
        self.writes += 1
        if self.is_full:
            raise StorageFull("no room")
        self.marks.update({place: mark for place, mark in marks.items() if mark is not None})
        for place in [place for place, mark in marks.items() if mark is None]:
            del self.marks[place]


@asynccontextmanager
async def listening(server: DiscordServer, notebook: Notebook, **options: Any) -> AsyncIterator[Desk]:
    """A door that has looked at the channels of its server."""
    async with running(server, bookmarks=notebook, **{"bookmark_pause": 0.0} | options) as desk:
        await server.wait_for(lambda: desk.ready)
        yield desk


@asynccontextmanager
async def known(server: DiscordServer, notebook: Notebook) -> AsyncIterator[None]:
    """The door as it was before: it has been in the server, and answered Lan in the channel and in private."""
    async with listening(server, notebook) as desk:
        server.staff.write(server.general, "trước")
        server.staff.dm("trước, riêng")
        await desk.next(2)
        yield


def texts(desk: Desk, place: Channel | str) -> list[str]:
    name = place if isinstance(place, str) else str(place.id)
    return [message.text for message in desk.inbound if message.address.chat_id == name]


def private(server: DiscordServer) -> str:
    return f"dm:{server.staff.direct.id}"


async def all_read(desk: Desk) -> None:
    """Wait until a message that is written now has come in, in the channel, the thread and in private."""
    server, before = desk.server, len(desk.inbound)
    server.staff.write(server.general, "sau")
    server.staff.write(server.thread, "sau")
    server.staff.dm("sau")
    await server.wait_for(lambda: [one.text for one in desk.inbound[before:]].count("sau") == 3)

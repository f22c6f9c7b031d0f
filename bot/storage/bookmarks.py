"""How far each place of a platform was read, for a door that must ask for what it missed."""

from collections.abc import Mapping
from sqlite3 import Connection

from bot.storage.database import Database


class StoredBookmarks:
    """The `Bookmarks` of one platform. Every method is one transaction."""

    def __init__(self, database: Database, platform: str) -> None:
        self._database = database
        self._platform = platform

    async def load(self) -> Mapping[str, str]:
        rows = await self._database.read(
            lambda db: db.execute("SELECT place, mark FROM bookmarks WHERE platform = ?", (self._platform,)).fetchall()
        )
        return {row["place"]: row["mark"] for row in rows}

    async def keep(self, marks: Mapping[str, str | None]) -> None:
        kept = [(self._platform, place, mark) for place, mark in marks.items() if mark is not None]
        gone = [(self._platform, place) for place, mark in marks.items() if mark is None]

        def write(db: Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO bookmarks (platform, place, mark) VALUES (?, ?, ?)", kept)
            db.executemany("DELETE FROM bookmarks WHERE platform = ? AND place = ?", gone)

        await self._database.write(write)

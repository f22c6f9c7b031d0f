from bot.storage.bookmarks import StoredBookmarks
from bot.storage.database import Database


async def test_marks_are_kept_replaced_and_forgotten(database: Database) -> None:
    bookmarks = StoredBookmarks(database, "discord")
    assert await bookmarks.load() == {}
    await bookmarks.keep({"1": "10", "dm:2": "20"})
    await bookmarks.keep({"1": "11", "dm:2": None, "dm:3": None})
    assert await StoredBookmarks(database, "discord").load() == {"1": "11"}


async def test_platforms_do_not_see_each_others_marks(database: Database) -> None:
    one, other = StoredBookmarks(database, "discord"), StoredBookmarks(database, "other")
    await one.keep({"1": "10"})
    await other.keep({"1": None, "2": "20"})
    assert (await one.load(), await other.load()) == ({"1": "10"}, {"2": "20"})

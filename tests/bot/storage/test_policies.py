from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from bot.errors import StorageError
from bot.storage.database import Database
from bot.storage.policies import PolicyVersion, PolicyVersions

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FILES = {"system.md": "Trả lời.\n", "policies/vi/returns.md": "## Đổi trả\n"}


@pytest.fixture
async def versions(tmp_path: Path) -> AsyncIterator[PolicyVersions]:
    database = await Database.open(tmp_path / "shopdesk.db")
    yield PolicyVersions(database)
    await database.close()


async def stored(versions: PolicyVersions, version: str) -> str:
    await versions.store(FILES | {"x": version}, hash=version, at=AT, who="lan", why="tết")
    return version


async def test_a_version_comes_back_as_it_was_stored(versions: PolicyVersions) -> None:
    at = datetime(2026, 11, 20, 16, 0, tzinfo=timezone(timedelta(hours=7)))

    assert await versions.store(FILES, hash="a" * 64, at=at, who="lan", why="tết") == "a" * 64
    assert await versions.files("a" * 64) == FILES
    assert await versions.versions() == (PolicyVersion("a" * 64, AT, "lan", "tết"),)


async def test_a_version_that_is_stored_again_stays_as_it_was(versions: PolicyVersions) -> None:
    await versions.store(FILES, hash="a", at=AT, who="lan", why="tết")
    await versions.store({"other": "x"}, hash="a", at=AT, who="minh", why="again")

    assert await versions.files("a") == FILES
    assert [version.created_by for version in await versions.versions()] == ["lan"]


async def test_nothing_is_active_before_the_first_activation_and_then_the_newest(versions: PolicyVersions) -> None:
    assert await versions.active() is None
    for version in ("a", "b"):
        await stored(versions, version)
        assert await versions.activate(version, at=AT, who="lan", why="tết")
        assert await versions.active() == version
    assert await versions.activate("a", at=AT, who="lan", why="back")
    assert await versions.active() == "a"


async def test_what_is_active_already_is_not_activated_again(versions: PolicyVersions) -> None:
    await stored(versions, "a")

    assert await versions.activate("a", at=AT, who="lan", why="start")
    assert not await versions.activate("a", at=AT, who="lan", why="start")


async def test_a_version_that_does_not_exist_is_one_sentence(versions: PolicyVersions) -> None:
    for attempt in (
        versions.files("nothing"),
        versions.activate("nothing", at=AT, who="lan", why="x"),
    ):
        with pytest.raises(StorageError, match=r"^There is no policy version nothing\.$"):
            await attempt
    assert await versions.active() is None


async def test_versions_outlive_the_process(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "shopdesk.db")
    await stored(PolicyVersions(database), "a")
    await PolicyVersions(database).activate("a", at=AT, who="lan", why="tết")
    await database.close()

    database = await Database.open(tmp_path / "shopdesk.db")
    try:
        versions = PolicyVersions(database)
        assert await versions.active() == "a"
        assert await versions.files("a") == FILES | {"x": "a"}
    finally:
        await database.close()

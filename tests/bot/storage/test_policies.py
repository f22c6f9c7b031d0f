from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from bot.errors import StorageError
from bot.storage.database import Database
from bot.storage.policies import PolicyVersion, PolicyVersions
from bot.storage.sections import IndexedSection, Terms

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FILES = {"system.md": "Trả lời.\n", "policies/vi/returns.md": "## Đổi trả\n"}
RETURNS = IndexedSection("vi/returns#a", "vi", "đổi trả", "thời hạn", "7 ngày", "doi tra", "thoi han", "7 ngay")
LOOKUP = IndexedSection("vi/orders#a", "vi", "đơn hàng", "tra cứu", "tra đơn", "don hang", "tra cuu", "tra don")


@pytest.fixture
async def versions(tmp_path: Path) -> AsyncIterator[PolicyVersions]:
    database = await Database.open(tmp_path / "shopdesk.db")
    yield PolicyVersions(database)
    await database.close()


async def stored(versions: PolicyVersions, version: str, *sections: IndexedSection) -> str:
    await versions.store(FILES | {"x": version}, hash=version, at=AT, who="lan", why="tết")
    await versions.sections.index(version, sections)
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
        versions.sections.index("nothing", [RETURNS]),
        versions.activate("nothing", at=AT, who="lan", why="x"),
    ):
        with pytest.raises(StorageError, match=r"^There is no policy version nothing\.$"):
            await attempt
    assert await versions.active() is None


async def test_versions_outlive_the_process(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "shopdesk.db")
    await stored(PolicyVersions(database), "a", RETURNS)
    await PolicyVersions(database).activate("a", at=AT, who="lan", why="tết")
    await database.close()

    database = await Database.open(tmp_path / "shopdesk.db")
    try:
        versions = PolicyVersions(database)
        assert await versions.active() == "a"
        assert await versions.files("a") == FILES | {"x": "a"}
        assert len(await versions.sections.search("a", [Terms((), ("doi",))], language="vi", limit=5)) == 1
    finally:
        await database.close()


async def test_a_match_with_marks_ranks_above_one_without(versions: PolicyVersions) -> None:
    await stored(versions, "a", LOOKUP, RETURNS)

    found = await versions.sections.search("a", [Terms(("trả",), ("tra",))], language="vi", limit=5)
    assert [section for section, _ in found] == ["vi/returns#a", "vi/orders#a"]
    found = await versions.sections.search("a", [Terms(("tra",), ("tra",))], language="vi", limit=5)
    assert [section for section, _ in found] == ["vi/orders#a", "vi/returns#a"]
    assert all(score > 0 for _, score in found)


async def test_d_with_a_stroke_is_found_without_it(versions: PolicyVersions) -> None:
    await stored(versions, "a", LOOKUP, RETURNS)

    found = await versions.sections.search("a", [Terms((), ("don hang",))], language="vi", limit=5)
    assert [section for section, _ in found] == ["vi/orders#a"]


async def test_the_language_that_was_asked_for_comes_first(versions: PolicyVersions) -> None:
    await stored(versions, "a", RETURNS, replace(RETURNS, section_id="en/returns#a", language="en"))

    for language in ("vi", "en"):
        found = await versions.sections.search("a", [Terms((), ("doi",))], language=language, limit=5)
        assert [section[:2] for section, _ in found] == [language, {"vi": "en", "en": "vi"}[language]]


async def test_terms_that_do_not_find_only_add(versions: PolicyVersions) -> None:
    await stored(versions, "a", LOOKUP, RETURNS)
    terms = [Terms((), ("doi",)), Terms((), ("tra",), finds=False)]

    assert [section for section, _ in await versions.sections.search("a", terms, language="vi", limit=5)] == [
        "vi/returns#a"
    ]


async def test_only_the_sections_of_the_version_are_found(versions: PolicyVersions) -> None:
    await stored(versions, "a", RETURNS)
    await stored(versions, "b", LOOKUP)

    assert await versions.sections.search("b", [Terms((), ("doi",))], language="vi", limit=5) == []
    assert await versions.sections.search("c", [Terms((), ("doi",))], language="vi", limit=5) == []


async def test_old_versions_leave_the_index_and_return_to_it_on_demand_but_the_active_one_stays(
    versions: PolicyVersions,
) -> None:
    doi = [Terms((), ("doi",))]
    await stored(versions, "live", RETURNS)
    await versions.activate("live", at=AT, who="lan", why="x")
    for number in range(6):
        await stored(versions, f"v{number}", RETURNS)

    assert len(await versions.sections.search("live", doi, language="vi", limit=5)) == 1
    assert len(await versions.sections.search("v5", doi, language="vi", limit=5)) == 1
    assert await versions.sections.search("v0", doi, language="vi", limit=5) == []
    await versions.sections.index("v0", [RETURNS])
    assert len(await versions.sections.search("v0", doi, language="vi", limit=5)) == 1


@pytest.mark.parametrize(
    "text", ['"', '""', "a" * 100_000, "doi OR (", "NEAR(", "title:", "-x", "*", "^x", "\0", "{", "'; DROP TABLE x", ""]
)
async def test_no_term_is_ever_syntax(versions: PolicyVersions, text: str) -> None:
    await stored(versions, "a", RETURNS)

    await versions.sections.search("a", [Terms((text,), (text,))], language="vi", limit=5)
    assert len(await versions.sections.search("a", [Terms((text,), (text, "doi"))], language="vi", limit=5)) == 1


async def test_nothing_to_look_for_finds_nothing(versions: PolicyVersions) -> None:
    await stored(versions, "a", RETURNS)

    assert await versions.sections.search("a", [], language="vi", limit=5) == []
    assert await versions.sections.search("a", [Terms((), ())], language="vi", limit=5) == []
    assert await versions.sections.search("a", [Terms((), ("doi",))], language="vi", limit=0) == []

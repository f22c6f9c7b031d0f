from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.policies.version import version_of
from bot.storage.database import Database
from bot.storage.policies import PolicyVersions
from tests.bot.policies.shop import good_files, loaded, sentences, write

ENGLISH = "---\ntitle: Returns\n---\n## Period\n\n7 days.\n"


@pytest.fixture
async def versions(tmp_path: Path) -> AsyncIterator[PolicyVersions]:
    database = await Database.open(tmp_path / "shopdesk.db")
    yield PolicyVersions(database)
    await database.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = good_files(
        policies__en__returns=ENGLISH,
        sentences__vi=sentences(shop_name="Nhà Mây", greeting="Chào {shop}!", too_long="{limit} ký tự"),
        sentences__en=sentences(shop_name="Cloud House", greeting="Hi, {shop}!", too_long="{limit} characters"),
    )
    return write(tmp_path / "prompts", files)


async def test_loading_stores_the_folder_as_the_active_version(folder: Path, versions: PolicyVersions) -> None:
    policies = await loaded(folder, versions)

    assert policies.version == version_of(policies.prompts.files) == await versions.active()
    assert await versions.files(policies.version) == policies.prompts.files
    assert [(one.created_by, one.reason) for one in await versions.versions()] == [("folder", "first start")]


async def test_loading_the_same_folder_again_changes_nothing(folder: Path, versions: PolicyVersions) -> None:
    first = await loaded(folder, versions)
    second = await loaded(folder, versions)

    assert first.version == second.version
    assert len(await versions.versions()) == 1
    assert await first.search("đổi trả") == await second.search("đổi trả")


async def test_an_edit_is_a_new_version_and_the_old_one_keeps_its_words(folder: Path, versions: PolicyVersions) -> None:
    old = await loaded(folder, versions)
    file = folder / "policies/vi/returns.md"
    file.write_text(file.read_text().replace("7 ngày", "15 ngày"))
    new = await loaded(folder, versions)

    assert await versions.active() == new.version != old.version
    assert "15 ngày" in (await new.search("thời hạn"))[0].section.text
    assert "7 ngày" in (await old.search("thời hạn"))[0].section.text
    assert "7 ngày" in (await versions.files(old.version))["policies/vi/returns.md"]


async def test_a_sentence_is_said_in_the_language_or_else_in_the_default(
    folder: Path, versions: PolicyVersions
) -> None:
    policies = await loaded(folder, versions)

    assert policies.languages == ("vi", "en")
    assert policies.sentence("greeting", "en") == "Hi, Cloud House!"
    assert policies.sentence("greeting", "vi") == "Chào Nhà Mây!"
    assert policies.sentence("greeting", "fr") == policies.sentence("greeting") == "Chào Nhà Mây!"
    assert policies.sentence("too_long", "en", limit=4000) == "4,000 characters"
    with pytest.raises(KeyError):
        policies.sentence("nothing", "vi")


async def test_a_value_with_braces_is_not_filled_in_again(folder: Path, versions: PolicyVersions) -> None:
    policies = await loaded(folder, versions)

    assert policies.sentence("too_long", "en", limit="{shop}") == "{shop} characters"


async def test_another_default_language_can_be_chosen(folder: Path, versions: PolicyVersions) -> None:
    policies = await loaded(folder, versions, language="en")

    assert policies.languages == ("en", "vi")
    assert policies.sentence("greeting") == "Hi, Cloud House!"


async def test_all_sections_go_along_when_they_fit_then_those_of_the_language_then_none(
    folder: Path, versions: PolicyVersions
) -> None:
    policies = await loaded(folder, versions)
    every = policies.sources_for("vi", 20_000)
    assert every is not None
    assert [source.section_id for source in every] == [
        "en/returns#period",
        "vi/returns#thoi-han-doi-tra",
        "vi/returns#phi-doi-tra",
    ]
    assert policies.sources_for("en", 20_000) == every
    assert policies.sources_for("vi", 53) == every[1:]
    assert policies.sources_for("en", 53) == every[:1]
    assert policies.sources_for("fr", 53) is None
    assert policies.sources_for("vi", 5) is None


async def test_numbers_in_a_sentence_are_written_as_people_write_them(folder: Path, versions: PolicyVersions) -> None:
    policies = await loaded(folder, versions)
    assert "16.000" in policies.sentence("too_long", "vi", limit=16_000)
    assert "16,000" in policies.sentence("too_long", "en", limit=16_000)

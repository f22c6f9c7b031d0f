"""The watch over a real folder: one call for each state in which it rests, and nothing that ends it."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.errors import StorageError
from bot.policies.watch import FolderWatch
from tests.words import eventually


class Listener:
    """Remembers what the folder held each time that it was told of a change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: list[dict[str, str]] = []
        self.answer: Callable[[], bool] = lambda: True

    async def changed(self) -> bool:
        self.seen.append({file.name: file.read_text() for file in sorted(self.folder.rglob("*.md"))})
        return self.answer()

    async def sees(self, **files: str) -> None:
        """Wait until the folder is told of as it is now."""
        wanted = {f"{name}.md": text for name, text in files.items()}
        await eventually(lambda: self.seen[-1:] == [wanted])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/a.md").write_text("1")
    return tmp_path / "prompts"


@asynccontextmanager
async def watched(
    folder: Path, *, quiet: float = 0.1, tick: float = 0.1, longest: float = 5.0
) -> AsyncIterator[Listener]:
    listener = Listener(folder)
    task = asyncio.create_task(FolderWatch(folder, listener.changed, quiet=quiet, tick=tick, longest=longest).run())
    try:
        await eventually(lambda: bool(listener.seen))
        yield listener
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_edit_is_told(folder: Path) -> None:
    async with watched(folder) as listener:
        (folder / "a.md").write_text("2")
        await listener.sees(a="2")


async def test_forty_files_of_a_pull_are_one_change(folder: Path) -> None:
    async with watched(folder, quiet=0.4) as listener:
        for number in range(40):
            (folder / f"b{number}.md").write_text("x")
            await asyncio.sleep(0)
        await eventually(lambda: len(listener.seen[-1]) == 41)
        assert {len(seen) for seen in listener.seen} == {1, 41}


async def test_a_rename_and_an_editors_swap_are_seen_as_what_they_lead_to(folder: Path) -> None:
    async with watched(folder) as listener:
        (folder / ".a.md.swp").write_text("swap")
        (folder / "a.md~").write_text("1")
        (folder / "new").write_text("2")
        (folder / "new").rename(folder / "a.md")
        await listener.sees(a="2")
        (folder / "a.md").rename(folder / "b.md")
        await listener.sees(b="2")
        assert all(len(seen) == 1 for seen in listener.seen)


async def test_what_editors_leave_beside_a_file_is_no_change(folder: Path) -> None:
    async with watched(folder) as listener:
        (folder / ".git").mkdir()
        for name in (".#a.md", "#a.md#", "a.md~", ".a.md.swp", "4913", ".git/index", ".DS_Store", "README.md"):
            (folder / name).write_text("x")
        before = len(listener.seen)
        (folder / "b.md").write_text("2")
        await eventually(lambda: "b.md" in listener.seen[-1])
        assert all("b.md" in seen for seen in listener.seen[before:])


@pytest.mark.parametrize("how", ["deleted", "replaced", "renamed", "a link elsewhere"])
async def test_a_folder_that_comes_back_is_watched_again(folder: Path, how: str) -> None:
    async with watched(folder) as listener:
        away = folder.with_name("away")
        if how == "renamed":
            os.rename(folder, away)
            await listener.sees()
            os.rename(away, folder)
        else:
            shutil.rmtree(folder)
            if how == "deleted":
                await listener.sees()
            if how == "a link elsewhere":
                os.mkdir(away)
                os.symlink(away, folder)
            else:
                os.mkdir(folder)
        (folder / "a.md").write_text("2")
        await listener.sees(a="2")
        (folder / "a.md").write_text("3")
        await listener.sees(a="3")


async def test_a_folder_that_is_not_there_yet_is_watched_once_it_is(tmp_path: Path) -> None:
    async with watched(tmp_path / "later") as listener:
        (tmp_path / "later").mkdir()
        (tmp_path / "later/a.md").write_text("1")
        await listener.sees(a="1")


async def test_a_file_system_that_tells_nothing_is_compared(folder: Path) -> None:
    """Polling by the library finds what inotify would have told; so does the comparison at each tick."""
    os.environ["WATCHFILES_FORCE_POLLING"] = "1"
    try:
        async with watched(folder) as listener:
            (folder / "a.md").write_text("2")
            await listener.sees(a="2")
    finally:
        del os.environ["WATCHFILES_FORCE_POLLING"]


async def test_a_change_that_only_the_clock_of_the_file_shows_is_told(folder: Path) -> None:
    async with watched(folder) as listener:
        before = len(listener.seen)
        os.utime(folder / "a.md", ns=(0, 0))
        await eventually(lambda: len(listener.seen) > before)


async def test_what_could_not_be_stored_is_told_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    def full() -> bool:
        raise StorageError("no room on the disk")

    async with watched(folder) as listener:
        listener.answer = full
        (folder / "a.md").write_text("2")
        await eventually(lambda: len(listener.seen) > 3)
        listener.answer = lambda: True
        count = len(listener.seen)
        await eventually(lambda: len(listener.seen) > count)
    assert caplog.text.count("is not taken over yet, and tried again until it is: no room on the disk") == 1


async def test_a_folder_that_never_rests_is_looked_at_all_the_same_and_said_so_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(folder, quiet=0.02, longest=0.1) as listener:
        listener.answer = lambda: False
        number = 0
        while len(listener.seen) < 4:
            number += 1
            (folder / "a.md").write_text(str(number))
            await asyncio.sleep(0)
    assert caplog.text.count("is written to all the time") == 1


async def test_a_fault_of_the_program_does_not_end_the_watch(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> bool:
        raise ValueError("a fault")

    async with watched(folder) as listener:
        listener.answer = broken
        (folder / "a.md").write_text("2")
        await eventually(lambda: "begins again" in caplog.text)
        listener.answer = lambda: True
        (folder / "a.md").write_text("3")
        await listener.sees(a="3")

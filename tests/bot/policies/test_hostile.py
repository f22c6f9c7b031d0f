"""Folders made by somebody who means harm are refused in words, and nothing else happens."""

import asyncio
import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.errors import PromptsError
from bot.policies.check import read_prompts
from bot.policies.life import LivePolicies
from bot.policies.watch import FolderWatch
from bot.storage.database import Database
from bot.storage.policies import PolicyVersions
from tests.bot.policies.hostile import HOSTILE, links
from tests.bot.policies.shop import RETURNS, good_files, write
from tests.words import eventually

MIB = 1024 * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield write(tmp_path / "prompts", good_files())
    _remove(tmp_path / "prompts")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_folder_is_refused_file_by_file_in_little_room(folder: Path, name: str) -> None:
    spoil, places = HOSTILE[name]
    spoil(folder)

    before = _most_memory()
    with pytest.raises(PromptsError) as caught:
        read_prompts(folder)
    problems = caught.value.problems
    assert len({problem.file for problem in problems}) == places
    assert len(problems) < 60 * places
    for problem in problems:
        assert problem.reason.endswith("."), problem
        assert problem.fix.endswith("."), problem
        assert str(problem).isprintable(), problem
        assert len(str(problem)) < 400
    assert _most_memory() - before < 64 * MIB


@pytest.mark.timeout(120)
async def test_under_a_running_shop_each_is_told_once_and_what_is_live_stays_live(tmp_path: Path) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    database = await Database.open(tmp_path / "shopdesk.db")
    _becomes(tmp_path, "first", lambda folder: None, days=7)
    live = LivePolicies(PolicyVersions(database), tmp_path / "prompts", notice=told.put_nowait)
    await live.open()
    watch = asyncio.create_task(FolderWatch(live.folder, live.consider, quiet=0.1, tick=0.1).run())
    try:
        for number, (name, (spoil, _)) in enumerate(HOSTILE.items(), start=1):
            before = live.current()
            await asyncio.to_thread(_becomes, tmp_path, name, spoil, days=1)
            assert "is not taken over" in await asyncio.wait_for(told.get(), 30)
            assert live.current() is before
            _becomes(tmp_path, f"after {name}", lambda folder: None, days=number + 20)
            days = f"**{number + 20} ngày**"
            await eventually(lambda days=days: days in live.current().prompts.sections[0].text, timeout=30)  # type: ignore[misc]
        assert not watch.done()
        assert told.empty()
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await database.close()
        _remove(*(tmp_path / name for name in HOSTILE))


@pytest.mark.skipif(not Path("/proc/self/fdinfo").exists(), reason="counts what Linux watches")
async def test_the_watch_does_not_follow_links_out_of_the_folder(folder: Path) -> None:
    links(folder)
    before, seen = _watches(), asyncio.Event()

    async def changed() -> bool:
        seen.set()
        return True

    watch = asyncio.create_task(FolderWatch(folder, changed, quiet=0.05, tick=0.05).run())
    try:
        await asyncio.wait_for(seen.wait(), 5)
        await eventually(lambda: _watches() > before)
        seen.clear()
        (folder / "system.md").write_text("Be kind.")
        await asyncio.wait_for(seen.wait(), 5)
        assert _watches() - before <= 8
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


def _becomes(place: Path, name: str, spoil: Callable[[Path], None], *, days: int) -> None:
    """Make a folder beside the shop's, and put it into its place in one step."""
    spoil(write(place / name, good_files(policies__vi__returns=RETURNS.replace("7 ngày", f"{days} ngày"))))
    (place / "next").symlink_to(place / name)
    (place / "next").replace(place / "prompts")


def _most_memory() -> int:
    """The most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _watches() -> int:
    """How many folders the system watches for this process."""
    count = 0
    for entry in os.scandir("/proc/self/fdinfo"):
        with contextlib.suppress(OSError), open(entry.path) as info:
            count += sum(line.startswith("inotify wd") for line in info)
    return count


def _remove(*folders: Path) -> None:
    """Deeper folders than Python's own ways can name."""
    subprocess.run(["rm", "-rf", "--", *folders], check=True)

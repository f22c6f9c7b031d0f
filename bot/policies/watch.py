"""Notices that the prompts folder has changed and came to rest, on any file system and whatever becomes of it."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from itertools import islice
from pathlib import Path

from watchfiles import Change, awatch

from bot.errors import ShopdeskError
from bot.policies.read import MAX_FILES, is_ignored

log = logging.getLogger(__name__)

_DEEPEST = 6
_MOST_FOLDERS = 100
"""More than languages that a shop speaks; the others are compared."""
Folders = dict[str, tuple[int, int]]
"""A folder's real path, and what tells it from another one of that name."""
Stamp = frozenset[tuple[object, ...]]
"""What the file system says of everything in a folder: it changes with each change of anything."""


class FolderWatch:
    """Calls `changed` once for every state in which the folder rests, however many files were written for it.

    `changed` returns False when the folder was written to meanwhile. Times are in seconds: the folder rests when
    nothing has changed for `quiet`; one that does not come to rest is looked at after `longest` all the same.
    Beside what the system tells, the folder is compared every `tick`: some file systems tell nothing, and a
    folder that is deleted, replaced or not there yet cannot.
    """

    def __init__(
        self,
        folder: Path,
        changed: Callable[[], Awaitable[bool]],
        *,
        quiet: float = 0.3,
        longest: float = 5.0,
        tick: float = 1.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._folder = folder
        self._changed = changed
        self._quiet = quiet
        self._longest = longest
        self._tick = tick
        self._sleep = sleep
        self._is_deaf = False
        self._is_restless = False
        self._is_failing = False

    async def run(self) -> None:
        """Watch until cancelled; nothing that happens to the folder ends it."""
        while True:
            try:
                await self._run()
            except Exception:
                log.exception("the watch over %s broke and begins again", self._folder)
                await self._sleep(self._tick)

    async def _run(self) -> None:
        seen: Stamp | None = None
        async with aclosing(self._hints()) as hints:
            async for is_certain in hints:
                stamp = await self._stamp()
                if is_certain or stamp != seen:
                    stamp = await self._rest(stamp)
                    seen = stamp if await self._told() else None

    async def _told(self) -> bool:
        try:
            is_done = await self._changed()
        except ShopdeskError as exc:
            if not self._is_failing:
                log.warning("%s is not taken over yet, and tried again until it is: %s", self._folder, exc)
            self._is_failing = True
            return False
        self._is_failing = False
        if not is_done and not self._is_restless:
            log.warning("%s is written to all the time; it is taken over when it comes to rest", self._folder)
        self._is_restless = not is_done
        return is_done

    async def _rest(self, stamp: Stamp) -> Stamp:
        """Wait until two looks in a row see the same."""
        for _ in range(max(1, round(self._longest / self._quiet))):
            await self._sleep(self._quiet)
            before, stamp = stamp, await self._stamp()
            if stamp == before:
                break
        return stamp

    async def _hints(self) -> AsyncGenerator[bool, None]:
        """True when the system tells of a change, False at each tick; the first comes at once."""
        yield False
        while True:
            watched = await self._folders()
            try:
                async with aclosing(self._changes(watched)) as changes:
                    async for is_certain in changes:
                        yield is_certain
                        if await self._folders() != watched:
                            break
            except FileNotFoundError:
                await self._sleep(self._tick)
            except (OSError, RuntimeError) as exc:
                if not self._is_deaf:
                    reason = str(exc).partition(" about ")[0]
                    log.warning("the system does not tell of changes in %s (%s): it is compared", self._folder, reason)
                self._is_deaf = True
                await self._sleep(self._tick)
            yield False

    async def _changes(self, folders: Folders) -> AsyncGenerator[bool, None]:
        def matters(change: Change, path: str) -> bool:
            return path in folders or not is_ignored(os.path.basename(path))

        told = awatch(
            *folders,
            watch_filter=matters,
            # The system's own way down follows links out of the folder, as far as the whole disk.
            recursive=False,
            debounce=200,
            step=50,
            rust_timeout=round(self._tick * 1000),
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )
        async with aclosing(told):
            async for changes in told:
                yield bool(changes)

    async def _stamp(self) -> Stamp:
        return await asyncio.to_thread(lambda: frozenset(_stamps(self._folder)))

    async def _folders(self) -> Folders:
        return await asyncio.to_thread(_folders_in, self._folder)


def _folders_in(top: Path) -> Folders:
    """The folder and those in it that may hold something of ours, as far as they can be read."""
    found: Folders = {}
    waiting = [(os.path.realpath(top), 1)]
    while waiting and len(found) < _MOST_FOLDERS:
        folder, depth = waiting.pop(0)
        try:
            seen = os.stat(folder, follow_symlinks=False)
            found[folder] = seen.st_dev, seen.st_ino
            with os.scandir(folder) as entries:
                inner = [entry.path for entry in islice(entries, MAX_FILES) if _is_folder(entry)]
        except OSError:
            continue
        if depth < _DEEPEST:
            waiting += [(path, depth + 1) for path in sorted(inner)]
    return found or {os.path.realpath(top): (0, 0)}


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False) and not is_ignored(entry.name)


def _stamps(top: Path) -> Iterator[tuple[object, ...]]:
    folders = [(str(top), 1)]
    left = MAX_FILES + 1
    while folders:
        folder, depth = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if is_ignored(entry.name):
                        continue
                    left -= 1
                    if left < 0:  # such a folder is refused whatever is in it
                        return
                    if entry.is_dir(follow_symlinks=False) and depth < _DEEPEST:
                        folders.append((entry.path, depth + 1))
                    yield _stamp_of(entry)
        except OSError as exc:
            yield folder, exc.errno


def _stamp_of(entry: "os.DirEntry[str]") -> tuple[object, ...]:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError as exc:
        return entry.path, exc.errno
    if entry.is_dir(follow_symlinks=False):  # its times change with each of the files that are ignored
        return entry.path, found.st_mode, found.st_ino
    return entry.path, found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

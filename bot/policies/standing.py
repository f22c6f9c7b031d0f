"""How the prompts folder stands to what is live: the same, or what differs and why that is not live."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from bot.policies.candidate import Candidate, read_candidate
from bot.policies.version import short
from bot.storage.policies import Activation, Considered, PolicyVersions

_NAMED = 3


@dataclass(frozen=True, slots=True)
class FileChange:
    """What became of one file between two versions."""

    path: str
    kind: Literal["changed", "new", "deleted"]


@dataclass(frozen=True, slots=True)
class Standing:
    """`live` is None before the first start; then `changes` are all files of the folder."""

    folder: Path
    candidate: Candidate
    """What the folder holds at the moment."""
    live: Activation | None
    changes: tuple[FileChange, ...]
    considered: Considered | None
    """What became of the folder, if what it holds was looked at already."""
    is_manual: bool = False
    """What is saved waits until it is activated."""

    def words(self) -> str:
        """What an operator should know about it; nothing when the folder is what is live."""
        if self.candidate.prompts is None:
            count = _count(len(self.candidate.problems), "problem")
            stays = f", version {short(self.live.version)} stays live" if self.live else ""
            return f"{self.folder} does not check ({count}){stays}: `shopdesk policies check` lists what is wrong"
        version, state = short(self.candidate.digest), self.considered and self.considered.state
        if state != "refused" and (self.live is None or not self.changes):
            return ""
        if state == "waiting":
            return f"{self.folder} holds version {version}, which waits: `shopdesk policies activate folder --reason …`"
        if state == "refused" and self.considered:
            count = _count(len(self.considered.problems), "test")
            shows = "`shopdesk policies test` shows what is expected"
            return f"{self.folder} holds version {version}, which is not live since {count} failed: {shows}"
        assert self.live
        since = (
            f"version {short(self.live.version)} was made live by {self.live.who}" if state else "it is not live yet"
        )
        then = "waits to be activated" if self.is_manual else "goes live"
        return f"{self.folder} differs from what is live ({named(self.changes)}): {since}; the next save {then}"


async def standing(versions: PolicyVersions, folder: Path, *, language: str, is_manual: bool = False) -> Standing:
    """Compare the folder with what is live. Raises `StorageError`."""
    candidate = await asyncio.to_thread(read_candidate, folder, language=language)
    activations, last = await versions.activations(), await versions.last_considered()
    live = activations[-1] if activations else None
    before = (await versions.hashes(live.version))[live.version] if live else {}
    changes = changed_files(before, hashed(candidate.files))
    if last and last.version != candidate.digest:
        last = None
    return Standing(folder, candidate, live, changes, last, is_manual)


def hashed(files: Mapping[str, str]) -> dict[str, str]:
    """The hashes of texts, as the storage has them."""
    return {path: sha256(text.encode()).hexdigest() for path, text in files.items()}


def changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[FileChange, ...]:
    """What differs between two folders, by path; their values are texts or hashes."""
    changes = []
    for path in sorted(before.keys() | after.keys()):
        if path not in before:
            changes.append(FileChange(path, "new"))
        elif path not in after:
            changes.append(FileChange(path, "deleted"))
        elif before[path] != after[path]:
            changes.append(FileChange(path, "changed"))
    return tuple(changes)


def named(changes: tuple[FileChange, ...]) -> str:
    """The first few of the files by name, and how many there are more."""
    names = ", ".join(change.path for change in changes[:_NAMED])
    more = len(changes) - _NAMED
    return f"{names} and {more} more" if more > 0 else names


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"

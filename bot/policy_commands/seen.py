"""What the commands show of the policies, as values: read from the folder, and from the database beside the program."""

import asyncio
import difflib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.errors import StorageError, StorageInUse
from bot.policies.candidate import read_candidate
from bot.policies.findings import shown
from bot.policies.naming import FOLDER, resolve
from bot.policies.period import Terms
from bot.policies.prompts import Prompts
from bot.policies.standing import FileChange, Standing, changed_files, standing
from bot.policies.version import short
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.lock import locked
from bot.storage.policies import Activation, PolicyVersion, PolicyVersions
from bot.storage.reading import ReadOnlyDatabase, is_current, is_there

_CONTEXT = 3
_GUESSES = 3


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One policy in all its languages. `sections`: language → how many."""

    name: str
    title: str
    sections: Mapping[str, int]
    terms: Mapping[str, "SeenTerms"]
    """In each language."""


@dataclass(frozen=True, slots=True)
class SeenTerms:
    """When a policy counts and for whom, as its file says it. `counts`: it does so at the moment."""

    valid_from: str | None
    valid_until: str | None
    audience: str
    counts: bool
    is_over: bool


@dataclass(frozen=True, slots=True)
class PastVersion:
    """A version, what it changed against the one that was made before it, and when it was live."""

    made: PolicyVersion
    changes: tuple[FileChange, ...]
    activations: tuple[Activation, ...]
    is_live: bool


@dataclass(frozen=True, slots=True)
class Files:
    """The texts of a version or of the folder, and what to call it."""

    name: str
    texts: Mapping[str, str]
    is_partial: bool = False
    """Not all of the folder could be read."""


@dataclass(frozen=True, slots=True)
class FileDiff:
    """How one file differs: the lines of a unified diff."""

    change: FileChange
    lines: tuple[str, ...]


@asynccontextmanager
async def versions_in(settings: Settings) -> AsyncIterator[PolicyVersions | None]:
    """The versions, only to be read; None while there is no database. Raises `StorageError`."""
    path = settings.database
    if not is_there(path):
        yield None
        return
    if not await is_current(path):
        await _bring_up_to_date(settings)
    yield PolicyVersions(ReadOnlyDatabase(path))


async def _bring_up_to_date(settings: Settings) -> None:
    try:
        with locked(settings.database):
            await (await Database.open(settings.database)).close()
    except StorageInUse as exc:
        raise StorageError(f"{exc} It is an older Shopdesk than this command: restart it, then try again.") from None


async def standing_of(settings: Settings, versions: PolicyVersions, folder: Path | None = None) -> Standing:
    """How the shop's folder, or another one, stands to what is live."""
    is_manual = settings.shopdesk_policies == "manual"
    folder = folder or settings.shopdesk_prompts
    return await standing(versions, folder, language=settings.shopdesk_language, is_manual=is_manual)


def rows(prompts: Prompts, language: str, wall: datetime) -> tuple[PolicyRow, ...]:
    """The policies by name; the title is the one in `language`, if it has that. `wall`: the shop's clock."""
    names = sorted({section.policy.partition("/")[2] for section in prompts.sections})
    found = []
    for name in names:
        sections = [section for section in prompts.sections if section.policy.partition("/")[2] == name]
        title = next((section.title for section in sections if section.language == language), sections[0].title)
        counts = Counter(section.language for section in sections)
        terms = {section.language: _seen(section.terms, wall) for section in sections}
        found.append(PolicyRow(name, title, dict(sorted(counts.items())), dict(sorted(terms.items()))))
    return tuple(found)


def _seen(terms: Terms, wall: datetime) -> SeenTerms:
    period = terms.period
    start, until = (str(moment) if moment else None for moment in (period.start, period.until))
    return SeenTerms(start, until, terms.audience, period.includes(wall), period.is_over(wall))


async def history(versions: PolicyVersions) -> tuple[PastVersion, ...]:
    """Every version, the newest first."""
    made, activations, hashes = await versions.versions(), await versions.activations(), await versions.hashes()
    live = activations[-1].version if activations else None
    past: list[PastVersion] = []
    before: Mapping[str, str] = {}
    for version in made:
        own = tuple(activation for activation in activations if activation.version == version.id)
        changes = changed_files(before, hashes[version.id]) if past else ()
        past.append(PastVersion(version, changes, own, version.id == live))
        before = hashes[version.id]
    return tuple(reversed(past))


async def files_of(settings: Settings, versions: PolicyVersions | None, name: str) -> Files:
    """The files that a name stands for: a version, `live` or `folder`. Raises `StorageError`."""
    if name.strip().lower() == FOLDER:
        candidate = await asyncio.to_thread(
            read_candidate, settings.shopdesk_prompts, language=settings.shopdesk_language
        )
        if not candidate.files and candidate.prompts is None:
            raise StorageError(str(candidate.problems[0]))
        return Files(FOLDER, candidate.files, any(problem.line == 0 for problem in candidate.problems))
    known = [version.id for version in await versions.versions()] if versions else []
    version = resolve(name, known, await versions.activations() if versions else ())
    assert versions
    return Files(short(version), await versions.files(version))


def file_in(files: Files, path: str) -> tuple[str, str]:
    """The path and text of a file; `vi/returns` and `prompts/policies/vi/returns.md` name it, too.

    Raises `StorageError` with the nearest names.
    """
    bare = path.strip().replace("\\", "/").removeprefix("./")
    tried = [bare, bare.partition("/")[2], f"policies/{bare}.md", f"policies/{bare}", f"{bare}.md"]
    for name in tried:
        if name in files.texts:
            return name, files.texts[name]
    near = difflib.get_close_matches(tried[0][:200], files.texts, _GUESSES, 0.5)
    near = near or [name for name in files.texts if bare and bare.split("/")[-1].partition(".")[0] in name][:_GUESSES]
    where = "the folder" if files.name == FOLDER else f"version {files.name}"
    guess = f" Did you mean {_either(near)}?" if near else " `shopdesk policies list` shows what there is."
    raise StorageError(f"There is no file {shown(path)} in {where}.{guess}")


def differences(before: Files, after: Files) -> tuple[FileDiff, ...]:
    """How the files differ, by path."""
    found = []
    for change in changed_files(before.texts, after.texts):
        old, new = (_lines(files.texts.get(change.path, "")) for files in (before, after))
        lines = difflib.unified_diff(old, new, n=_CONTEXT, lineterm="")
        found.append(FileDiff(change, tuple(lines)[2:]))
    return tuple(found)


def _lines(text: str) -> list[str]:
    *lines, last = text.split("\n")
    return [*lines, f"{last} (no line end)"] if last else lines


def _either(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last

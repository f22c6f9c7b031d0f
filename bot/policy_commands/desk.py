"""What each of the commands does, from the settings to the lines that are printed and the exit status."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console

from bot.errors import Problem
from bot.policies.candidate import Candidate, read_candidate, stored_candidate
from bot.policies.examine import examine
from bot.policies.life import Change
from bot.policies.live import Policies
from bot.policies.naming import FOLDER
from bot.policies.period import on_the_wall
from bot.policies.prompts import Prompts
from bot.policies.standing import Standing
from bot.policies.version import short
from bot.policies.warnings import warnings_of
from bot.policy_commands.change import activate, rollback
from bot.policy_commands.seen import PolicyRow, differences, file_in, files_of, history, rows, standing_of, versions_in
from bot.policy_commands.shown import Printer
from bot.settings import Settings
from bot.storage.policies import PolicyVersions

GOOD, FOUND_WRONG = 0, 1


class Desk:
    """One method for each command. They raise a `ShopdeskError` when they cannot run."""

    def __init__(self, settings: Settings) -> None:
        zone = ZoneInfo(settings.shopdesk_timezone)
        self._settings = settings
        self._zone = zone
        self._out = Printer(Console(highlight=False), zone)
        self._aside = Printer(Console(stderr=True, highlight=False), zone)

    async def check(self, folder: Path | None, *, as_json: bool) -> int:
        """What is wrong with a folder, and whether it is what is live."""
        folder = folder or self._settings.shopdesk_prompts
        async with versions_in(self._settings) as versions:
            if versions:
                found = await self._standing(versions, folder)
                candidate, changes = found.candidate, found.changes if found.live else None
            else:
                candidate, changes = await self._read(folder), None
        prompts = candidate.prompts
        warnings = await self._warnings(prompts, folder) if prompts else ()
        failed = await self._failed_tests(prompts, folder) if prompts else ()
        counts = (len(prompts.policies), len(prompts.sections)) if prompts else (0, 0)
        if as_json:
            result: dict[str, Any] = {"ok": prompts is not None and not failed, "folder": str(folder)}
            result |= {"version": candidate.digest if prompts else None, "policies": counts[0], "sections": counts[1]}
            found_wrong = {"problems": candidate.problems, "failed_tests": failed, "warnings": warnings}
            self._out.json(result | found_wrong | {"changes": changes})
        elif prompts is None:
            self._out.problems(candidate.problems)
            number = len(candidate.problems)
            self._out.line((f"{number} problem{'s' if number > 1 else ''}: this cannot go live.", "bold red"))
        else:
            languages = ", ".join(sorted(prompts.sentences))
            self._out.line(
                f"{folder} checks: {counts[0]} policies with {counts[1]} sections, sentences in {languages}."
            )
            self._out.failed_tests(failed, len(prompts.tests))
            self._out.warnings(warnings)
            if changes is not None:
                self._out.line("It differs from what is live:" if changes else "It is what is live.")
                self._out.changes(changes or ())
        return GOOD if prompts and not failed else FOUND_WRONG

    async def list(self, *, as_json: bool) -> int:
        """What is live and what is in it, and how the folder stands to that."""
        folder = self._settings.shopdesk_prompts
        async with versions_in(self._settings) as versions:
            if versions is None:
                return await self._list_folder(folder, as_json=as_json)
            found = await self._standing(versions, folder)
            policies = await self._live_rows(versions, found)
        considered, checks = found.considered, found.candidate.prompts is not None
        is_refused = not checks or (considered is not None and considered.state == "refused")
        if as_json:
            problems = (*found.candidate.problems, *(considered.problems if considered else ()))
            state = "refused" if is_refused else considered.state if considered else "new" if found.changes else "live"
            version = found.candidate.digest if checks else None
            seen = {"path": str(folder), "version": version, "state": state, "changes": found.changes}
            self._out.json({"live": found.live, "policies": policies, "folder": seen | {"problems": problems}})
        else:
            self._out.live(found.live)
            self._out.rows(policies)
            self._out.folder(found)
        return FOUND_WRONG if is_refused else GOOD

    async def history(self, limit: int, *, as_json: bool) -> int:
        """All versions and when they were live."""
        async with versions_in(self._settings) as versions:
            past = await history(versions) if versions else ()
        if as_json:
            self._out.json(past[:limit])
        elif not past:
            self._aside.line("There are no versions yet: the first start of the program makes one.")
        else:
            self._out.history(past[:limit])
            if len(past) > limit:
                self._out.line((f"{len(past) - limit} older ones: --limit shows more.", "dim"))
        return GOOD

    async def show(self, version: str | None, file: str, *, as_json: bool) -> int:
        """One file of a version; of the live one, when none is named."""
        async with versions_in(self._settings) as versions:
            if version is None and versions is None:
                self._say_no_database()
                version = FOLDER
            files = await files_of(self._settings, versions, version or "live")
        path, text = file_in(files, file)
        if as_json:
            self._out.json({"version": files.name, "file": path, "text": text})
        else:
            self._out.text(text)
        return GOOD

    async def diff(self, before: str, after: str, *, as_json: bool) -> int:
        """How two versions differ."""
        async with versions_in(self._settings) as versions:
            one, other = [await files_of(self._settings, versions, name) for name in (before, after)]
        if one.is_partial or other.is_partial:
            self._aside.line("Not all of the folder could be read: `shopdesk policies check` says why.")
        found = differences(one, other)
        names = [
            files.name if files.name == name else f"{name} ({files.name})"
            for files, name in ((one, before), (other, after))
        ]
        if as_json:
            self._out.json({"from": one.name, "to": other.name, "files": found})
        elif not found:
            self._out.line(f"{names[0]} and {names[1]} are the same.")
        else:
            self._out.diff(found, *names)
        return GOOD

    async def activate(self, version: str, reason: str, *, force: bool, as_json: bool) -> int:
        """Make a version live."""
        return await self._tell(await activate(self._settings, version, why=reason, force=force), as_json=as_json)

    async def rollback(self, reason: str, *, as_json: bool) -> int:
        """Go back to the version that was live before."""
        return await self._tell(await rollback(self._settings, why=reason), as_json=as_json)

    async def _tell(self, change: Change, *, as_json: bool) -> int:
        async with versions_in(self._settings) as versions:
            assert versions
            found = await self._standing(versions, self._settings.shopdesk_prompts)
        if as_json:
            result = {"version": change.version, "before": change.before, "changed": change.changed}
            self._out.json(result | {"problems": change.problems, "folder": found.changes})
        else:
            self._out.change(change)
            if change.changed and (words := found.words()):
                self._out.line(f"The folder {words}.")
            if change.changed and change.before:
                self._out.line((f"To undo this: shopdesk policies activate {short(change.before)} --reason …", "dim"))
        return FOUND_WRONG if change.problems else GOOD

    async def _list_folder(self, folder: Path, *, as_json: bool) -> int:
        self._say_no_database()
        candidate = await self._read(folder)
        if candidate.prompts is None:
            return await self.check(folder, as_json=as_json)
        policies = rows(candidate.prompts, self._settings.shopdesk_language, self._wall())
        if as_json:
            seen = {"path": str(folder), "version": candidate.digest, "state": "new", "changes": (), "problems": ()}
            self._out.json({"live": None, "policies": policies, "folder": seen})
        else:
            self._out.live(None)
            self._out.rows(policies)
        return GOOD

    async def _live_rows(self, versions: PolicyVersions, found: Standing) -> tuple[PolicyRow, ...]:
        candidate, language = found.candidate, self._settings.shopdesk_language
        if found.live:
            files = await versions.files(found.live.version)
            candidate = await asyncio.to_thread(stored_candidate, found.live.version, files, language=language)
        return rows(candidate.prompts, language, self._wall()) if candidate.prompts else ()

    async def _warnings(self, prompts: Prompts, folder: Path) -> tuple[Problem, ...]:
        language = self._settings.shopdesk_language
        found = await asyncio.to_thread(warnings_of, prompts, language=language, wall=self._wall())
        return tuple(replace(warning, file=f"{folder.as_posix()}/{warning.file}") for warning in found)

    async def _failed_tests(self, prompts: Prompts, folder: Path) -> tuple[Problem, ...]:
        """What keeps it from going live though its files are in order."""
        policies = await asyncio.to_thread(Policies, prompts, "", self._settings.shopdesk_language, timezone=self._zone)
        return tuple(
            replace(problem, file=f"{folder.as_posix()}/{problem.file}") for problem in await examine(policies)
        )

    def _wall(self) -> datetime:
        """What the shop's clock shows."""
        return on_the_wall(datetime.now(UTC), self._zone)

    async def _standing(self, versions: PolicyVersions, folder: Path) -> Standing:
        return await standing_of(self._settings, versions, folder)

    async def _read(self, folder: Path) -> Candidate:
        return await asyncio.to_thread(read_candidate, folder, language=self._settings.shopdesk_language)

    def _say_no_database(self) -> None:
        self._aside.line(
            f"There is no {self._settings.database} yet: this is the folder {self._settings.shopdesk_prompts}."
        )

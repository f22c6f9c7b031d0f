"""The life of the policy versions: which one is live, what may follow it, and the way back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from bot.errors import Problem, PromptsError, StorageError
from bot.links import LinkHosts
from bot.policies.addresses import link_hosts
from bot.policies.candidate import Candidate, read_candidate, stored_candidate
from bot.policies.live import Policies
from bot.policies.naming import FOLDER, resolve, ways_back
from bot.policies.period import on_the_wall
from bot.policies.prompts import Prompts
from bot.policies.standing import Standing, standing
from bot.policies.version import short
from bot.policies.warnings import warnings_of
from bot.storage.policies import Activation, CandidateState, Considered, PolicyVersions

log = logging.getLogger(__name__)

_TOLD, _NAMED = 20, 5
"""Problems that the log names, and failing tests by their places; a folder may have thousands."""

Examine = Callable[[Policies], Awaitable[Sequence[Problem]]]
"""Runs the shop's tests on a version that is not live yet; what fails is a problem."""


async def nothing_to_examine(policies: Policies) -> Sequence[Problem]:
    """Finds no fault with any version."""
    return ()


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a wish to make a version live: it is, unless there are `problems`."""

    version: str
    before: str | None
    """What was live until then."""
    problems: tuple[Problem, ...] = ()
    may_force: bool = False
    """The problems are those of its tests, and not of its files."""

    @property
    def changed(self) -> bool:
        return not self.problems and self.version != self.before


@dataclass(frozen=True, slots=True)
class _Live:
    policies: Policies
    links: LinkHosts


class LivePolicies:
    """Holds the version that is live, and changes it in one step; who took the old one before keeps it.

    What is live is what the storage says, not the folder. The folder is a candidate when it is something else
    than it was when it was last considered: a way back outlives a restart, and the next save goes live again.
    `notice` is told what keeps a candidate from going live, once. Policies count by the clock of `timezone`.
    """

    def __init__(
        self,
        versions: PolicyVersions,
        folder: Path,
        *,
        language: str = "vi",
        is_manual: bool = False,
        hosts: Sequence[str] = (),
        examine: Examine = nothing_to_examine,
        notice: Callable[[str], None] = lambda text: None,
        timezone: tzinfo = UTC,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.versions = versions
        self.folder = folder
        self._language = language
        self._is_manual = is_manual
        self._hosts = hosts
        self._examine = examine
        self._notice = notice
        self._timezone = timezone
        self._now = now
        self._live: _Live | None = None
        self._kept: dict[str, _Live] = {}
        """The live one and the one before it: the way back must not take the time of reading a version in."""
        self._tried: _Live | None = None
        """A version that answers some of the customers."""
        self._refused: str | None = None
        """Digest of the content that was last found not to check."""
        self._considering = asyncio.Lock()
        self._followers: list[Callable[[Policies], None]] = []
        self._changing = asyncio.Lock()
        """Held for a moment only: a rollback does not wait until the tests of a candidate have run."""

    async def open(self) -> None:
        """Bring the live version into memory, then look at the folder.

        Raises `PromptsError` when nothing was live yet, or nothing that this program can use, and the folder
        does not check either. Raises `StorageError`.
        """
        active = await self.versions.active()
        candidate = await self._stored(active) if active else None
        if active and candidate and candidate.prompts:
            self._swap(await self._prepared(candidate.prompts, active))
            await self.consider(again=True)
            return
        if active and candidate:
            log.warning("policy version %s does not check with this program: %s", short(active), candidate.problems[0])
        folder = await self._in_folder()
        if folder.prompts is None:
            raise PromptsError(folder.problems)
        change = await self._take(folder, who=FOLDER, why="first start" if active is None else "new program")
        if change.problems:
            way_out = "take it all the same: `shopdesk policies activate folder --force --reason …`"
            words = f"{self.folder} cannot go live: {_failing(change.problems)}. `shopdesk policies test` shows what "
            raise PromptsError(change.problems, f"{words}they expect. Correct the policies or the tests, or {way_out}.")

    def report_to(self, notice: Callable[[str], None]) -> None:
        """From now on this is told what keeps a candidate from going live."""
        self._notice = notice

    def follow(self, tell: Callable[[Policies], None]) -> None:
        """Tell somebody of every version that goes live from now on. What is told must be done at once."""
        self._followers.append(tell)

    def current(self) -> Policies:
        """The version that is live at this moment."""
        assert self._live, "open() comes first"
        return self._live.policies

    def sentence(self, key: str, language: str | None = None, /, **values: object) -> str:
        """As `Policies.sentence`, of the version that is live at this moment."""
        return self.current().sentence(key, language, **values)

    def may_link(self, url: str) -> bool:
        """Whether an answer may link to an address."""
        assert self._live, "open() comes first"
        return self._live.links.allow(url) or (self._tried is not None and self._tried.links.allow(url))

    def linked_hosts(self) -> frozenset[str]:
        """The hosts that an answer may link to."""
        assert self._live, "open() comes first"
        return self._live.links.names | (self._tried.links.names if self._tried else frozenset())

    async def standing(self) -> Standing:
        """How the folder stands to what is live."""
        return await standing(self.versions, self.folder, language=self._language, is_manual=self._is_manual)

    async def warnings(self) -> tuple[Problem, ...]:
        """What in the live version an admin should look at."""
        prompts, wall = self.current().prompts, on_the_wall(self._now(), self._timezone)
        return await asyncio.to_thread(warnings_of, prompts, language=self._language, wall=wall)

    async def consider(self, *, again: bool = False) -> bool:
        """Look at the folder, and take it when it is something new that checks. `again`: or what its tests refused.

        False when it was being written to meanwhile: look at it once more when it rests. Raises `StorageError`.
        """
        async with self._considering:
            candidate = await self._at_rest()
            if candidate is None:
                return False
            if candidate.prompts is None:
                self._refuse(candidate.digest, candidate.problems)
                return True
            if self._refused:
                log.info("%s can be used again", self.folder)
            self._refused = None
            last = await self.versions.last_considered()
            known = last.version if last else await self.versions.active()
            if candidate.digest != known or (again and last is not None and last.state == "refused"):
                await self._take(candidate, who=FOLDER, why="saved", waits=self._is_manual)
            return True

    async def activate(self, name: str, *, who: str, why: str, force: bool = False) -> Change:
        """Make a version live that is named as in `resolve`, or the `folder`; `force`: though its tests fail.

        Raises `StorageError` when there is none of that name.
        """
        if name.strip().lower() == FOLDER:
            candidate = await self._at_rest()
            if candidate is None:
                raise StorageError(f"{self.folder} is being written to: try again in a moment.")
            if candidate.prompts is None:
                return Change(candidate.digest, await self.versions.active(), candidate.problems)
            return await self._take(candidate, who=who, why=why, force=force)
        version, activations = await self._resolved(name)
        last = await self.versions.last_considered()
        passed = last is not None and (last.version, last.state) == (version, "waiting")
        trusted = force or passed or any(activation.version == version for activation in activations)
        return await self._return_to(version, who=who, why=why, examine=not trusted)

    async def find(self, name: str) -> str:
        """The id of a version that is named as in `resolve`. Raises `StorageError` when there is none."""
        return (await self._resolved(name))[0]

    async def try_out(self, name: str, *, again: bool = False) -> Policies:
        """Have a version at hand that is named as in `resolve`, beside the one that is live; its links count from now
        on. `again`: it was tried before, so that its tests need not run.

        Raises `StorageError` when there is none of that name, and `PromptsError` when it must not answer anybody.
        """
        version, activations = await self._resolved(name)
        candidate = await self._stored(version)
        if candidate.prompts is None:
            raise PromptsError(candidate.problems)
        prepared = await self._prepared(candidate.prompts, version)
        trusted = again or any(activation.version == version for activation in activations)
        if not trusted and (problems := tuple(await self._examine(prepared.policies))):
            words = f"Version {short(version)} cannot be tried on customers: {_failing(problems)}."
            raise PromptsError(problems, words)
        self._tried = prepared
        return prepared.policies

    def end_trial(self) -> None:
        """No version is tried beside the live one any more."""
        self._tried = None

    async def rollback(self, *, who: str, why: str) -> Change:
        """Go back to the version that was live before. Raises `StorageError` when there is none."""
        way = ways_back(await self.versions.activations())
        if len(way) < 2:
            raise StorageError("There is no version to go back to: no other one was live before this one.")
        return await self._return_to(way[1], who=who, why=why, is_rollback=True)

    async def _take(
        self, candidate: Candidate, *, who: str, why: str, force: bool = False, waits: bool = False
    ) -> Change:
        """Make a version of what the folder holds: live, waiting, or refused by its tests."""
        assert candidate.prompts
        version = candidate.digest
        await self.versions.store(candidate.files, hash=version, at=self._now(), who=who, why=why)
        prepared = await self._prepared(candidate.prompts, version)
        problems: tuple[Problem, ...] = ()
        if version != await self.versions.active() and not force:
            problems = tuple(await self._examine(prepared.policies))
        async with self._changing:
            active = await self.versions.active()
            state: CandidateState = "refused" if problems else "waiting" if waits and version != active else "live"
            if state == "live":
                await self.versions.activate(version, at=self._now(), who=who, why=why)
                self._swap(prepared)
            # Behind it: what was considered and is not live would not be looked at again after a crash.
            await self.versions.consider(Considered(version, self._now(), state, problems))
        if state == "waiting":
            log.info("policy version %s waits: `shopdesk policies activate folder --reason …`", short(version))
        if state == "refused":
            # What the shop's tests ask is for those who read its policies, and not for the log.
            self._refuse(version, problems, f"{_failing(problems)}. `shopdesk policies test` shows what they expect.")
        return Change(version, active, problems, may_force=bool(problems))

    async def _return_to(
        self, version: str, *, who: str, why: str, examine: bool = False, is_rollback: bool = False
    ) -> Change:
        """Make a stored version live, as far as this program can use it."""
        if (prepared := self._kept.get(version)) is None:
            candidate = await self._stored(version)
            if candidate.prompts is None:
                return Change(version, await self.versions.active(), candidate.problems)
            prepared = await self._prepared(candidate.prompts, version)
        if examine and (problems := tuple(await self._examine(prepared.policies))):
            return Change(version, await self.versions.active(), problems, may_force=True)
        async with self._changing:
            active = await self.versions.active()
            await self.versions.activate(version, at=self._now(), who=who, why=why, is_rollback=is_rollback)
            self._swap(prepared)
        return Change(version, active)

    async def _resolved(self, name: str) -> tuple[str, Sequence[Activation]]:
        activations = await self.versions.activations()
        return resolve(name, [version.id for version in await self.versions.versions()], activations), activations

    async def _at_rest(self) -> Candidate | None:
        """What the folder holds; None when it is being written to."""
        candidate = await self._in_folder()
        return candidate if (await self._in_folder()).digest == candidate.digest else None

    async def _in_folder(self) -> Candidate:
        return await asyncio.to_thread(read_candidate, self.folder, language=self._language)

    async def _stored(self, version: str) -> Candidate:
        files = await self.versions.files(version)
        return await asyncio.to_thread(stored_candidate, version, files, language=self._language)

    async def _prepared(self, prompts: Prompts, version: str) -> _Live:
        def prepare() -> _Live:
            policies = Policies(prompts, version, self._language, timezone=self._timezone, now=self._now)
            return _Live(policies, link_hosts(prompts, self._hosts))

        return await asyncio.to_thread(prepare)

    def _swap(self, live: _Live) -> None:
        before, version = self._live, live.policies.version
        self._live = live
        self._kept = {one.policies.version: one for one in (before, live) if one}
        if before and before.policies.version != version:
            log.info("policy version %s is live", short(version))
            for tell in self._followers:
                tell(live.policies)

    def _refuse(self, digest: str, problems: Sequence[Problem], words: str = "") -> None:
        """Tell once what keeps a content from going live; the log is told the `words`, if there are any."""
        if digest == self._refused or self._live is None:  # who asked for it is told, and nobody else is there
            return
        self._refused = digest
        head = f"{self.folder} is not taken over, version {short(self._live.policies.version)} stays live"
        lines = [f"{head}.", *map(str, problems[:_TOLD])]
        if len(problems) > _TOLD:
            lines.append(f"{len(problems) - _TOLD} more problems: `shopdesk policies check` lists them all.")
        logged = [f"{head}: {words}"] if words else [" ".join(lines)] if len(lines) == 2 else lines
        for line in logged:
            log.warning("%s", line)
        self._notice("\n".join(lines))


def _failing(problems: Sequence[Problem]) -> str:
    """`2 tests fail (tests/a.yaml:3, tests/b.yaml:7)`"""
    places = list(dict.fromkeys(f"{problem.file}:{problem.line}" for problem in problems))
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    tests = "1 test fails" if len(places) == 1 else f"{len(places):,} tests fail"
    return f"{tests} ({', '.join(places[:_NAMED])}{more})"

"""`shopdesk policies gaps`: what customers asked and no policy answers, and a test for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console

from bot.errors import StorageError
from bot.policies.findings import shown
from bot.policies.grouping import grouped
from bot.policies.live import Policies
from bot.policies.references import SectionNames, name_of
from bot.policies.search import Found
from bot.policy_commands.chosen import chosen
from bot.policy_commands.gap_tests import write_gap_test
from bot.policy_commands.shown import Printer
from bot.policy_commands.who_said import asked_in
from bot.settings import Settings
from bot.storage.asked import LoggedGap
from bot.text import fold, one_line

_MOST = 10_000
"""Gaps that are looked at; older ones are left out."""
_NEAREST = 3
_EXAMPLES = 3
_TEXT = 160


@dataclass(frozen=True, slots=True)
class Group:
    """The same question, asked once or often. `gaps` are newest first."""

    gaps: tuple[LoggedGap, ...]
    nearest: tuple[Found, ...]
    """What is found for the newest one in what is live now."""

    @property
    def newest(self) -> LoggedGap:
        return self.gaps[0]

    @property
    def others(self) -> tuple[str, ...]:
        """Other wordings of it, each once."""
        wordings = {" ".join(fold(gap.question).split()): gap.question for gap in reversed(self.gaps)}
        return tuple(text for text in reversed(wordings.values()) if text != self.newest.question)

    @property
    def is_closed(self) -> bool:
        """What is live answers it by now."""
        return any(one.good for one in self.nearest)


class Gaps:
    """The gaps since a moment (None: all); `span` is how the operator has named it."""

    def __init__(self, settings: Settings, since: datetime | None, span: str) -> None:
        self._settings = settings
        self._since = since
        self._span = "" if since is None else f" in the last {span.strip().lower()}"
        self._out = Printer(Console(highlight=False), ZoneInfo(settings.shopdesk_timezone))

    async def show(self, limit: int, *, as_json: bool) -> int:
        """List the groups, the largest first."""
        groups = await self._groups()
        count = sum(len(group.gaps) for group in groups)
        if as_json:
            listed = [_as_json(number, group) for number, group in enumerate(groups[:limit], start=1)]
            self._out.json({"questions": count, "groups": len(groups), "gaps": listed})
            return 0
        if not groups:
            self._out.line(f"No question was left without an answer from the policies{self._span}.")
            return 0
        questions = "1 question" if count == 1 else f"{count:,} questions"
        different = "" if len(groups) == count else f", {len(groups):,} different ones"
        self._out.line((f"{questions} without an answer from the policies{self._span}{different}:", "bold"))
        for number, group in enumerate(groups[:limit], start=1):
            self._show(number, group)
        if len(groups) > limit:
            self._out.line((f"{len(groups) - limit:,} more: --limit shows them.", "dim"))
        self._out.line(("A test for one of them: shopdesk policies gaps --write-test N", "dim"))
        return 0

    async def write(self, number: int, finds: str | None, *, as_json: bool) -> int:
        """Write a test for a group. Raises `StorageError` with one sentence when that cannot be."""
        groups = await self._groups()
        if number > len(groups):
            there = f"only {len(groups)}" if groups else "none"
            raise StorageError(f"There is no group {number}: there are {there}{self._span}; see --since.")
        group = groups[number - 1]
        if finds is not None:
            await self._must_exist(finds)
        note = f"asked {len(group.gaps)} × until {self._out.time(group.newest.at)[:10]}"
        questions = (group.newest.question, *group.others[:_EXAMPLES])
        file, line = write_gap_test(self._settings.shopdesk_prompts, questions, finds=finds, note=note)
        if as_json:
            self._out.json({"file": str(file), "line": line, "question": group.newest.question, "finds": finds})
        else:
            expects = f"that “{shown(finds)}” is found" if finds else "that nothing is found, until a policy answers it"
            self._out.line(f"{file}:{line} is a test now for “{one_line(questions[0], _TEXT)}”. It expects {expects}.")
        return 0

    async def _must_exist(self, words: str) -> None:
        policies = (await chosen(self._settings, "folder")).policies
        known = SectionNames.of(policies.prompts.sections)
        if not known.meant(words):
            near = known.nearest(words)
            guess = f" Did you mean “{near[0]}”?" if near else ""
            raise StorageError(
                f"There is no section “{shown(words)}” in {self._settings.shopdesk_prompts}: write it first.{guess}"
            )

    async def _groups(self) -> list[Group]:
        asked = await asked_in(self._settings)
        policies = (await chosen(self._settings, "live")).policies
        gaps = await asked.gaps(self._since, limit=_MOST)

        def words(gap: LoggedGap) -> Sequence[str]:
            telling = policies.telling_words(gap.question, language=gap.language)
            return telling or fold(gap.question).split()

        groups = [Group(tuple(group), await _nearest(policies, group[0])) for group in grouped(gaps, words)]
        return sorted(groups, key=lambda group: group.is_closed)

    def _show(self, number: int, group: Group) -> None:
        newest, style = group.newest, "dim" if group.is_closed else ""
        self._out.line(
            f"{number:>3}. ", (f"{len(group.gaps):>3} × ", "cyan"), (one_line(newest.question, _TEXT), style)
        )
        when = f"last {self._out.time(newest.at)}, {newest.platform}, conversation {newest.conversation}"
        self._out.line((f"          {when}", "dim"))
        if group.others:
            words = "; ".join(one_line(text, _TEXT // 2) for text in group.others[:_EXAMPLES])
            self._out.line((f"          also: {words}", "dim"))
        labels = ", ".join(name_of(one.section).label for one in group.nearest if one.good or not group.is_closed)
        if group.is_closed:
            self._out.line(("          found now: ", "green"), labels)
        elif labels:
            self._out.line(("          nearest: ", "dim"), labels)


async def _nearest(policies: Policies, gap: LoggedGap) -> tuple[Found, ...]:
    return await policies.search(gap.question, language=gap.language, limit=_NEAREST)


def _as_json(number: int, group: Group) -> dict[str, object]:
    newest = group.newest
    return {
        "number": number,
        "count": len(group.gaps),
        "question": newest.question,
        "others": group.others,
        "at": newest.at,
        "platform": newest.platform,
        "conversation": newest.conversation,
        "inbox_id": newest.inbox_id,
        "language": newest.language,
        "version": newest.version,
        "nearest_then": newest.nearest,
        "nearest": [
            {"section": one.section.id, "score": round(one.score, 4), "good": one.good} for one in group.nearest
        ],
        "is_closed": group.is_closed,
    }

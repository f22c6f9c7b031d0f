"""How the commands print what they found: lines that read well on a terminal and in a pipe."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime, tzinfo
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any

from rich.console import Console
from rich.text import Text

from bot.errors import Problem
from bot.policies.life import Change
from bot.policies.standing import FileChange, Standing, named
from bot.policies.version import short
from bot.policy_commands.seen import FileDiff, PastVersion, PolicyRow, SeenTerms
from bot.storage.policies import Activation
from bot.text import clean

_SIGNS = {"new": "+", "deleted": "−", "changed": "~"}
_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_COMPARED = 1_000_000
"""Words of one line times words of the other: comparing more would keep the reader waiting."""


class Printer:
    """Prints to a console; `zone` is the shop's time zone."""

    def __init__(self, console: Console, zone: tzinfo) -> None:
        self._console = console
        self._zone = zone

    def line(self, *parts: str | tuple[str, str]) -> None:
        """One line; a part may have a style. No part can steer the terminal."""
        cleaned = [clean(part) if isinstance(part, str) else (clean(part[0]), part[1]) for part in parts]
        self._console.print(Text.assemble(*cleaned), soft_wrap=True)

    def json(self, value: Any) -> None:
        """A value, and the dataclasses in it, as JSON."""
        self._console.file.write(json.dumps(_plain(value), ensure_ascii=False, indent=2) + "\n")

    def text(self, text: str) -> None:
        """A file's text: as it is in a pipe, and on a terminal so that it cannot steer it."""
        self._console.file.write(clean(text) if self._console.is_terminal else text)

    def problems(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            place = f"{problem.file}:{problem.line}" if problem.line else problem.file
            self.line((place, "bold"), f": {problem.reason} ", (problem.fix, "italic"))

    def failed_tests(self, problems: Sequence[Problem], tests: int) -> None:
        """What of its tests keeps a folder from going live; of `tests` in all."""
        self.problems(problems)
        if problems:
            fail = (
                "1 question of its tests fails"
                if len(problems) == 1
                else f"{len(problems)} of its tests' questions fail"
            )
            self.line((f"{fail}: this does not go live, unless with --force.", "bold red"))
        elif tests:
            self.line(f"Its {tests:,} tests pass." if tests > 1 else "Its test passes.")

    def warnings(self, warnings: Sequence[Problem]) -> None:
        """What keeps nothing from going live."""
        for warning in warnings:
            place = f"{warning.file}:{warning.line}" if warning.line else warning.file
            self.line(("warning ", "yellow"), (place, "bold"), f": {warning.reason} ", (warning.fix, "italic"))
        if number := len(warnings):
            words = f"{number} warnings; they keep" if number > 1 else "1 warning; it keeps"
            self.line((f"{words} nothing from going live.", "yellow"))

    def live(self, activation: Activation | None) -> None:
        if activation is None:
            self.line(("live    ", "bold"), "nothing yet: the first start takes the folder")
        else:
            self.line(
                ("live    ", "bold"), (short(activation.version), "bold green"), f"  since {self._told(activation)}"
            )

    def rows(self, rows: Sequence[PolicyRow]) -> None:
        """The policies: name, in which languages with how many sections, title, and when they count if not always."""
        counts = [", ".join(f"{language} {count}" for language, count in row.sections.items()) for row in rows]
        name, count = max((len(row.name) for row in rows), default=0), max(map(len, counts), default=0)
        for row, counted in zip(rows, counts, strict=True):
            limits = _limits(row)
            style = "cyan" if any(terms.counts for terms in row.terms.values()) else "yellow"
            told = (f"  ({limits})", style) if limits else ""
            self.line(f"  {row.name:<{name}}  ", (f"{counted:<{count}}", "dim"), f"  {row.title}", told)

    def folder(self, standing: Standing) -> None:
        as_it_is = "is what is live" if standing.live else "goes live at the first start"
        words = standing.words() or f"{standing.folder} {as_it_is}"
        self.line(("folder  ", "bold"), (words, "yellow" if standing.words() else ""))
        if standing.candidate.prompts is None:
            self.problems(standing.candidate.problems)
        elif standing.live:
            self.changes(standing.changes)
        if standing.considered and standing.considered.state == "refused":
            self.problems(standing.considered.problems)

    def changes(self, changes: Sequence[FileChange]) -> None:
        for change in changes:
            self.line(f"  {_SIGNS[change.kind]} {change.path}")

    def history(self, past: Sequence[PastVersion]) -> None:
        for version in past:
            made = version.made
            changed = f"{len(version.changes)} changed: {named(version.changes)}" if version.changes else "the first"
            mark = ("  live", "bold green") if version.is_live else ""
            self.line((short(made.id), "bold"), mark, f"  made {self.time(made.created_at)}", (f"  {changed}", "dim"))
            for activation in reversed(version.activations):
                word = "back " if activation.is_rollback else "live "
                self.line(f"    {word} {self._told(activation)}")
            if not version.activations:
                self.line(("    never live", "dim"))

    def diff(self, diffs: Sequence[FileDiff], before: str, after: str) -> None:
        for diff in diffs:
            self.line((f"--- {before}  {diff.change.path}", "bold"))
            self.line((f"+++ {after}  {diff.change.path}", "bold"), (f"  ({diff.change.kind})", "dim"))
            for parts in marked(diff.lines):
                self.line(*parts)

    def change(self, change: Change) -> None:
        """What became of the wish to make a version live."""
        version = short(change.version)
        if change.changed:
            before = f"; before it was {short(change.before)}" if change.before else ""
            self.line("Version ", (version, "bold green"), f" is live{before}.")
        elif not change.problems:
            self.line(f"Version {version} is live already.")
        else:
            self.problems(change.problems)
            how = " `--force` makes it live all the same." if change.may_force else ""
            stays = f", version {short(change.before)} stays live" if change.before else ""
            self.line((f"Version {version} was not made live{stays}.{how}", "bold red"))

    def time(self, at: datetime) -> str:
        return f"{at.astimezone(self._zone):%Y-%m-%d %H:%M:%S}"

    def _told(self, activation: Activation) -> str:
        return f"{self.time(activation.at)}  by {activation.who}: {activation.why}"


def _limits(row: PolicyRow) -> str:
    """When a policy counts and for whom; nothing for one that always does for everyone."""
    words = {language: _terms_words(terms) for language, terms in row.terms.items()}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return "; ".join(f"{language}: {told or 'always'}" for language, told in words.items())


def _terms_words(terms: SeenTerms) -> str:
    parts = [f"from {terms.valid_from}"] if terms.valid_from else []
    parts += [f"until {terms.valid_until}"] if terms.valid_until else []
    told = [" ".join(parts)] if parts else []
    if parts:
        told.append("counts now" if terms.counts else "is over" if terms.is_over else "not yet")
    if terms.audience != "everyone":
        told.append(f"for {terms.audience} only")
    return ", ".join(told)


def marked(lines: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    """The lines of a diff in parts with their styles; in a line that was changed the words that differ stand out.

    A paragraph of a policy is one long line: without it nobody sees that 7 became 15.
    """
    index = 0
    while index < len(lines):
        old = _run(lines, index, "-")
        new = _run(lines, index + len(old), "+")
        if old and len(old) == len(new):
            pairs = [_compared(one[1:], other[1:]) for one, other in zip(old, new, strict=True)]
            yield from ([("-", _STYLES["-"]), *parts] for parts, _ in pairs)
            yield from ([("+", _STYLES["+"]), *parts] for _, parts in pairs)
        else:
            whole = [*old, *new] or [lines[index]]
            yield from ([(line, _STYLES.get(line[:1], ""))] for line in whole)
        index += len(old) + len(new) or 1


def _run(lines: Sequence[str], start: int, sign: str) -> list[str]:
    return list(takewhile(lambda line: line.startswith(sign), lines[start:]))


def _compared(old: str, new: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    ours, theirs = (re.findall(r"\w+|\s+|.", line) for line in (old, new))
    removed: list[tuple[str, str]] = []
    added: list[tuple[str, str]] = []
    if len(ours) * len(theirs) > _COMPARED:
        return [(old, _STYLES["-"])], [(new, _STYLES["+"])]
    for kind, start, end, first, last in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        stress = "" if kind == "equal" else " bold reverse"
        removed.append(("".join(ours[start:end]), _STYLES["-"] + stress))
        added.append(("".join(theirs[first:last]), _STYLES["+"] + stress))
    return removed, added


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value

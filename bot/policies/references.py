"""How people name a section: by its id, or by its policy and heading, with or without the marks."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import regex

from bot.errors import Problem
from bot.policies.expectations import PolicyTest
from bot.policies.findings import shown
from bot.policies.prompts import Section
from bot.text import fold

_BETWEEN = regex.compile(r"\s*›\s*|\s+>\s+")
_GUESSES = 3


@dataclass(frozen=True, slots=True)
class SectionName:
    """All that a section may be named by."""

    id: str
    policy: str
    title: str
    heading: str

    @property
    def label(self) -> str:
        """`vi/returns › Thời hạn đổi trả`"""
        return f"{self.policy} › {self.heading}"


def name_of(section: Section) -> SectionName:
    """The names of a section."""
    return SectionName(section.id, section.policy, section.title, section.heading)


def sections_named(words: str, known: Sequence[SectionName]) -> frozenset[str]:
    """The ids that are meant: by an id, a policy (all of its sections), or `policy › heading`.

    A policy may be without its language (`returns`) or be called by its title; a heading may stand alone.
    """
    wanted = _folded(words)
    if found := frozenset(one.id for one in known if wanted == _folded(one.id) and "#" in one.id):
        return found
    policy, _, heading = (part.strip() for part in _BETWEEN.sub("\0", wanted).partition("\0"))
    if heading:
        last = heading.rpartition("\0")[2].strip()
        return frozenset(one.id for one in known if last == _folded(one.heading) and policy in _policies(one))
    of_policy = frozenset(one.id for one in known if policy in _policies(one))
    return of_policy or frozenset(one.id for one in known if policy == _folded(one.heading))


def nearest_sections(words: str, known: Iterable[SectionName]) -> tuple[str, ...]:
    """The labels of the sections, or the policies, that may have been meant, best first."""
    wanted = _folded(words)[:200]
    names: dict[str, str] = {}
    for one in known:
        names |= dict.fromkeys(map(_folded, (one.id, one.label, one.heading, one.label.partition("/")[2])), one.label)
        names |= dict.fromkeys(_policies(one), one.policy)
    close = difflib.get_close_matches(wanted, names, _GUESSES * 2, 0.6)
    if not close:
        last = _BETWEEN.sub("\0", wanted).rpartition("\0")[2].rpartition("#")[2].replace("-", " ").strip()
        close = [name for name in names if last and last in name.replace("-", " ")]
    return tuple(dict.fromkeys(names[name] for name in close))[:_GUESSES]


def missing_sections(tests: Iterable[PolicyTest], sections: Iterable[Section]) -> list[Problem]:
    """What tests name and no policy has."""
    known = [name_of(section) for section in sections]
    cache: dict[str, bool] = {}
    problems = []
    for test in tests:
        for named in (*test.finds, *test.not_finds):
            if cache.setdefault(named.words, bool(sections_named(named.words, known))):
                continue
            near = nearest_sections(named.words, known)
            guess = f" Did you mean “{near[0]}”?" if near else ""
            reason = f"there is no section “{shown(named.words)}”.{guess}"
            problems.append(Problem(test.file, named.line, reason, "Correct the name, or delete the test."))
    return problems


def _policies(one: SectionName) -> tuple[str, ...]:
    return (fold(one.policy), fold(one.policy).partition("/")[2], _folded(one.title))


def _folded(words: str) -> str:
    return " ".join(fold(words).split())

"""How people name a section: by its id, or by its policy and heading, with or without the marks."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import regex

from bot.errors import Problem
from bot.policies.expectations import PolicyTest
from bot.policies.findings import Findings, shown
from bot.policies.prompts import Section
from bot.text import fold

_BETWEEN = regex.compile(r"\s*›\s*|\s+>\s+")
_GUESSES = 3
# Comparing with every name takes long where there are thousands.
_COMPARED = 4000
_GUESSED = 5
_LONGEST = 200


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


class SectionNames:
    """The sections that there are, to be found by what people call them."""

    def __init__(self, names: Iterable[SectionName]) -> None:
        self._ids: dict[str, set[str]] = {}
        self._policies: dict[str, set[str]] = {}
        self._headings: dict[str, set[str]] = {}
        self._labels: dict[str, str] = {}
        """What may be written → what it is called."""
        for name in names:
            self._add(name)

    @classmethod
    def of(cls, sections: Iterable[Section]) -> "SectionNames":
        """Those of a version."""
        return cls(map(name_of, sections))

    def meant(self, words: str) -> frozenset[str]:
        """The ids that are meant: by an id, a policy (all of its sections), or `policy › heading`.

        A policy may be without its language (`returns`) or be called by its title; a heading may stand alone.
        """
        policy, *headings = _BETWEEN.split(_folded(words))
        if headings:
            return frozenset(self._policies.get(policy, set()) & self._headings.get(headings[-1], set()))
        found = self._ids.get(policy, set()) if "#" in policy else set()
        return frozenset(found or self._policies.get(policy) or self._headings.get(policy, set()))

    def nearest(self, words: str) -> tuple[str, ...]:
        """What the sections, or the policies, are called that may have been meant, best first."""
        wanted = _folded(words)[:_LONGEST]
        labels = dict(islice(self._labels.items(), _COMPARED))
        close = difflib.get_close_matches(wanted, labels, _GUESSES * 2, 0.6)
        if not close:
            last = _BETWEEN.split(wanted)[-1].rpartition("#")[2].replace("-", " ").strip()
            close = [name for name in labels if last and last in name.replace("-", " ")]
        return tuple(dict.fromkeys(labels[name] for name in close))[:_GUESSES]

    def _add(self, name: SectionName) -> None:
        heading, policy = _folded(name.heading), _folded(name.policy)
        policies = (policy, policy.partition("/")[2], _folded(name.title))
        self._ids.setdefault(_folded(name.id), set()).add(name.id)
        self._headings.setdefault(heading, set()).add(name.id)
        for one in policies:
            self._policies.setdefault(one, set()).add(name.id)
            self._labels.setdefault(one, name.policy)
        for one in (_folded(name.id), f"{policy} › {heading}", f"{policies[1]} › {heading}", heading):
            self._labels.setdefault(one, name.label)


def missing_sections(tests: Iterable[PolicyTest], sections: Iterable[Section]) -> list[Problem]:
    """What tests name and no policy has."""
    names = SectionNames.of(sections)
    files: dict[str, Findings] = {}
    guesses: dict[str, str] = {}
    for test in tests:
        for named in (*test.finds, *test.not_finds):
            if names.meant(named.words):
                continue
            if named.words not in guesses and len(guesses) < _GUESSED:
                near = names.nearest(named.words)
                guesses[named.words] = f" Did you mean “{near[0]}”?" if near else ""
            reason = f"there is no section “{shown(named.words)}”.{guesses.get(named.words, '')}"
            findings = files.setdefault(test.file, Findings(test.file))
            findings.add(named.line, reason, "Correct the name, or delete the test.")
    return [problem for findings in files.values() for problem in findings.problems]


def _folded(words: str) -> str:
    return " ".join(fold(words).split())

"""What an admin should look at though it may go live: contradictions between languages, and what ends soon."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from bot.errors import Problem
from bot.policies.figures import MOST_FIGURES, Figures, figures_in
from bot.policies.findings import Findings, shown
from bot.policies.period import Terms
from bot.policies.prompts import Prompts, Section
from bot.policies.references import SectionNames
from bot.policies.sections import MAX_SECTION_CHARS

SOON = timedelta(days=14)
_LONG = MAX_SECTION_CHARS * 5 // 6
_NAMED = 3
_ALIGNED = 2_500
"""Pairs of sections that are tried where two languages have different headings; larger policies are only counted."""
_FIGURES = 20_000
"""So many are compared in all policies together."""
_ALONE = 2
"""A section without its like in the other language costs as much as so many figures that differ."""

_Read = tuple[Section, Figures]


def warnings_of(prompts: Prompts, *, language: str, wall: datetime) -> tuple[Problem, ...]:
    """All warnings by file and line. `language` is the one to compare with, `wall` the time on the shop's clock."""
    policies: dict[str, dict[str, list[Section]]] = {}
    for section in prompts.sections:
        policies.setdefault(section.policy.partition("/")[2], {}).setdefault(section.language, []).append(section)
    found: dict[str, Findings] = {}

    def of(file: str) -> Findings:
        return found.setdefault(file, Findings(file))

    for section in prompts.sections:
        if len(section.text) > _LONG:
            reason = f"this section has {len(section.text):,} of at most {MAX_SECTION_CHARS:,} characters."
            of(_file(section)).add(section.line, reason, "Split it with more headings: it is shown as a source.")
    for policy, terms in prompts.terms().items():
        file = f"policies/{policy}.md"
        _look_at_time(prompts.files[file], terms, wall, of(file))
    _look_at_tests(prompts, wall, of)
    comparer = _Comparer()
    for languages in policies.values():
        first = languages.get(language) or languages[min(languages)]
        for sections in languages.values():
            if sections is not first:
                comparer.compare(first, sections, of(_file(sections[0])))
    for each in {section.language for section in prompts.sections}:
        _look_at_language(each, policies, prompts, language, of(f"policies/{each}"))
    return tuple(problem for _, findings in sorted(found.items()) for problem in findings.problems)


def _look_at_time(text: str, terms: Terms, wall: datetime, findings: Findings) -> None:
    until = terms.period.until
    if until is None or wall + SOON < until.end:
        return
    line = next((number for number, line in enumerate(text.split("\n"), 1) if line.startswith("valid_until")), 0)
    if terms.period.is_over(wall):
        findings.add(line, f"this policy ended ({until}).", "Delete the file, or correct valid_until.")
    else:
        days = (until.end - wall).days
        soon = f"in {days} days" if days > 1 else "tomorrow" if days else "today"
        fix = "Look after what holds then, if something has to."
        findings.add(line, f"this policy ends {soon} ({until}).", fix)


def _look_at_tests(prompts: Prompts, wall: datetime, of: Callable[[str], Findings]) -> None:
    """Tests that hold today and will fail by themselves, which would keep the next save from going live."""
    limited = {section.id: section.terms.period for section in prompts.sections if section.terms.period.until}
    if not limited:
        return
    names = SectionNames.of(prompts.sections)
    for test in prompts.tests:
        for named in test.finds if test.at is None else ():
            ids = names.meant(named.words)
            if ids and ids <= limited.keys() and not (period := limited[min(ids)]).is_over(wall):
                fix = f"Write “at: {day}” into the test." if (day := period.a_day()) else "Write at: and a day into it."
                reason = f"this test fails once “{shown(named.words)}” has ended ({period.until})."
                of(test.file).add(named.line, reason, fix)


def _look_at_language(
    language: str,
    policies: dict[str, dict[str, list[Section]]],
    prompts: Prompts,
    default: str,
    findings: Findings,
) -> None:
    missing = [
        name
        for name, languages in policies.items()
        if language not in languages and any(one[0].terms.audience != "staff" for one in languages.values())
    ]
    if missing:
        are = "policies of the other languages are" if len(missing) > 1 else "policy of the other languages is"
        reason = f"{len(missing)} {are} missing here: {_listed(missing)}."
        findings.add(0, reason, "Translate what is missing: customers are answered from the other language until then.")
    if language not in prompts.sentences:
        reason = f"there is no sentences/{language}.toml: the program says its own sentences in {default}."
        findings.add(0, reason, "Write it: copy the one that there is, and translate it.")


class _Comparer:
    """Compares a policy with the same one in another language, until too many figures were looked at."""

    def __init__(self) -> None:
        self._left = _FIGURES

    def compare(self, first: Sequence[Section], second: Sequence[Section], findings: Findings) -> None:
        """Note what the second one says otherwise."""
        there = _file(first[0])
        if first[0].terms != second[0].terms:
            reason = f"it counts {_counts(second[0].terms)}, but {there} {_counts(first[0].terms)}."
            findings.add(1, reason, "Correct the front matter of the one that is wrong.")
        if len(first) != len(second):
            reason = f"it has {_sections(second)}, and {there} has {len(first)}."
            findings.add(0, reason, "Add what is missing, or delete what no longer holds.")
        for (one, theirs), (other, ours) in self._pairs(first, second):
            here, elsewhere = ours.without(theirs), theirs.without(ours)
            if here or elsewhere:
                only = [f"{_listed(texts)} only {at}" for texts, at in ((here, "here"), (elsewhere, "there")) if texts]
                reason = f"“{shown(other.heading)}” and {there}:{one.line} differ: {', '.join(only)}."
                findings.add(other.line, reason, "Correct the one that is wrong.")

    def _pairs(self, first: Sequence[Section], second: Sequence[Section]) -> Iterator[tuple[_Read, _Read]]:
        """The sections that say the same in two languages: in their order, as far as the headings are alike."""
        pairs: Iterator[tuple[_Read, _Read]]
        if [len(one.headings) for one in first] == [len(one.headings) for one in second]:
            pairs = zip(map(self._read, first), map(self._read, second), strict=True)
        elif len(first) * len(second) <= _ALIGNED and self._left > 0:
            pairs = iter(_aligned(list(map(self._read, first)), list(map(self._read, second))))
        else:
            return
        while self._left > 0 and (pair := next(pairs, None)):
            if all(len(figures.all) < MOST_FIGURES for _, figures in pair):
                yield pair

    def _read(self, section: Section) -> _Read:
        figures = figures_in(section.text)
        self._left -= len(figures.all)
        return section, figures


def _aligned(first: Sequence[_Read], second: Sequence[_Read]) -> list[tuple[_Read, _Read]]:
    """The pairing in which the fewest figures differ: what is left over has no partner."""
    differ = [[len(one.without(other)) + len(other.without(one)) for _, other in second] for _, one in first]
    costs = [[_ALONE * number for number in range(len(second) + 1)]]
    for row in range(1, len(first) + 1):
        costs.append([_ALONE * row])
        for column in range(1, len(second) + 1):
            together = costs[row - 1][column - 1] + differ[row - 1][column - 1]
            costs[row].append(min(together, costs[row - 1][column] + _ALONE, costs[row][column - 1] + _ALONE))
    pairs, row, column = [], len(first), len(second)
    while row and column:
        if costs[row][column] == costs[row - 1][column - 1] + differ[row - 1][column - 1]:
            row, column = row - 1, column - 1
            pairs.append((first[row], second[column]))
        elif costs[row][column] == costs[row - 1][column] + _ALONE:
            row -= 1
        else:
            column -= 1
    return pairs[::-1]


def _counts(terms: Terms) -> str:
    period = terms.period
    times = [f"from {period.start}"] if period.start else []
    times += [f"until {period.until}"] if period.until else []
    who = "" if terms.audience == "everyone" else f" for {terms.audience}"
    return f"{' '.join(times) or 'always'}{who}"


def _sections(sections: Sequence[Section]) -> str:
    return f"{len(sections)} section{'' if len(sections) == 1 else 's'}"


def _file(section: Section) -> str:
    return f"policies/{section.policy}.md"


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _NAMED
    return ", ".join(map(shown, texts[:_NAMED])) + (f" and {more} more" if more > 0 else "")

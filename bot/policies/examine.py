"""Runs the shop's policy tests on one version: what is found, and, with a model, what is said."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from time import perf_counter

from bot.errors import Problem
from bot.llm.base import Usage
from bot.policies.expectations import Named, PolicyTest
from bot.policies.findings import shown
from bot.policies.language import guess_language
from bot.policies.live import Policies
from bot.policies.period import NOON
from bot.policies.references import SectionNames, name_of
from bot.policies.search import Found
from bot.policies.words import words_of
from bot.text import one_line

AT_ONCE = 4
_NAMED = 3
_QUESTION = 120
_ANSWER = 160
# A test that asks for the nearest sections may ask for more of them than are searched for by default.
_LEAST_FOUND = 3


@dataclass(frozen=True, slots=True)
class Said:
    """What the shop would have answered. `fault` says why there is no answer."""

    text: str
    usage: Usage = field(default_factory=Usage)
    fault: str = ""


Ask = Callable[[Policies, Sequence[str], date | None], Awaitable[Said]]
"""Answers the last of these turns as the shop would on that day (None: today). Raises a `ModelError`."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one test, in one wording of its question."""

    test: PolicyTest
    turns: tuple[str, ...]
    failures: tuple[str, ...]
    """Sentences: what was expected, and what there was."""
    found: tuple[Found, ...]
    said: Said | None
    seconds: float

    @property
    def question(self) -> str:
        return self.turns[-1]

    @property
    def is_unsaid(self) -> bool:
        """Something is expected of the answer, and no model was asked."""
        return self.test.is_about_saying and self.said is None

    @property
    def is_skipped(self) -> bool:
        """Nothing of it could be tried without a model."""
        return self.is_unsaid and not self.test.is_about_finding

    def problem(self) -> Problem:
        """Why it failed, as an admin is told."""
        reason = f"“{one_line(self.question, _QUESTION)}” {'; '.join(self.failures)}."
        return Problem(self.test.file, self.test.line, reason, "Correct the policy, or the test.")


async def examine(policies: Policies) -> Sequence[Problem]:
    """What fails of what can be tried without a model: this runs whenever somebody saves, and must cost nothing."""
    return [tried.problem() async for tried in run_tests(policies) if tried.failures]


async def run_tests(
    policies: Policies, *, ask: Ask | None = None, clock: Callable[[], float] = perf_counter
) -> AsyncGenerator[Tried, None]:
    """Try every test in its order; with `ask` some at a time."""
    known = SectionNames.of(policies.prompts.sections)
    room = asyncio.Semaphore(AT_ONCE)

    async def run(test: PolicyTest, turns: tuple[str, ...]) -> Tried:
        async with room:
            return await _try(policies, test, turns, known, ask, clock)

    asked = [(test, turns) for test in policies.prompts.tests for turns in test.questions]
    if ask is None:
        for one in asked:
            yield await run(*one)
            await asyncio.sleep(0)  # customers are served meanwhile
        return
    tasks = [asyncio.create_task(run(*one)) for one in asked]
    try:
        for task in tasks:
            yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _try(
    policies: Policies,
    test: PolicyTest,
    turns: tuple[str, ...],
    known: SectionNames,
    ask: Ask | None,
    clock: Callable[[], float],
) -> Tried:
    began = clock()
    found: tuple[Found, ...] = ()
    failures: list[str] = []
    if test.is_about_finding:
        limit = max(test.first, _LEAST_FOUND)
        language = _language(policies, turns)
        at = datetime.combine(test.at, NOON, policies.timezone) if test.at else None
        found = await policies.search(turns[-1], language=language, before=turns[:-1], limit=limit, at=at)
        absent = partial(_why_absent, policies, policies.wall(at))
        failures += _of_finding(test, found, known, absent)
    said = None
    if ask is not None and test.is_about_saying:
        said = await ask(policies, turns, test.at)
        failures += [said.fault] if said.fault else _of_saying(test, said.text)
    return Tried(test, turns, tuple(failures), found, said, clock() - began)


def _language(policies: Policies, turns: Sequence[str]) -> str:
    """The language of the last turn; what does not show it is in that of the turns before."""
    language = policies.language
    for turn in turns:
        language = guess_language(turn, None, language, policies.languages)
    return language


def _of_finding(
    test: PolicyTest, found: Sequence[Found], known: SectionNames, absent: Callable[[Collection[str]], str]
) -> Iterator[str]:
    good = [one for one in found if one.good]
    top = {one.section.id for one in good[: test.first]}
    among = "first" if test.first == 1 else f"among the first {test.first}"
    for named in test.finds:
        ids = known.meant(named.words)
        if top.isdisjoint(ids):
            but = absent(ids) or _what_is_found(found)
            yield f"should find “{shown(named.words)}” {among}, but {but}"
    for named in test.not_finds:
        if not top.isdisjoint(known.meant(named.words)):
            yield f"should not find “{shown(named.words)}” {among}, but {_what_is_found(found)}"
    if test.finds_nothing and good:
        yield f"should find nothing, but {_what_is_found(found)}"


def _why_absent(policies: Policies, wall: datetime, ids: Collection[str]) -> str:
    """Why nobody could find any of these sections, whatever he asked; nothing when somebody could."""
    terms = [section.terms for section in policies.prompts.sections if section.id in ids]
    if not terms or any(one.hold(wall, "customer") for one in terms):
        return ""
    if not any(one.admit("customer") for one in terms):
        return "that is for staff only, and tests ask as customers do"
    period = next(one.period for one in terms if one.admit("customer"))
    state = f"has ended ({period.until})" if period.is_over(wall) else f"does not count before {period.start}"
    day = period.a_day()
    return f"that {state}" + (f": write into the test a day on which it counts, “at: {day}”" if day else "")


def _what_is_found(found: Sequence[Found]) -> str:
    good = [one for one in found if one.good]
    names = ", ".join(f"{name_of(one.section).label} ({one.score:.2f})" for one in (good or found)[:_NAMED])
    if good:
        return f"finds {names}"
    return f"finds nothing that is good enough: {names}" if names else "finds nothing"


def _of_saying(test: PolicyTest, answer: str) -> Iterator[str]:
    words = _folded(answer)
    short = one_line(answer, _ANSWER)
    for named in test.says:
        if not _holds(words, named):
            yield f"should be answered with “{shown(named.words)}”, but the answer is: “{short}”"
    for named in test.not_says:
        if _holds(words, named):
            yield f"should not be answered with “{shown(named.words)}”, but the answer is: “{short}”"
    if test.language and (language := guess_language(answer, None, "", ("vi", "en"))) != test.language:
        yield f"should be answered in {test.language}, but the answer is in {language or 'no language'}: “{short}”"


def _holds(words: Sequence[str], named: Named) -> bool:
    """Whether these words stand in a row in the answer: 7 is not in 17, and 30k is 30.000."""
    wanted = _folded(named.words)
    size = len(wanted)
    return any(words[start : start + size] == wanted for start in range(len(words) - size + 1))


def _folded(text: str) -> list[str]:
    return [one.folded for one in words_of(text)]

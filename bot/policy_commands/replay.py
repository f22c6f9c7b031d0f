"""`shopdesk policies replay`: the last real questions of customers, against a candidate and against what is live."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from rich.console import Console

from bot.policies.live import Policies
from bot.policies.references import name_of
from bot.policies.search import Found
from bot.policy_commands.chosen import Chosen, chosen
from bot.policy_commands.shown import Printer
from bot.policy_commands.who_said import asked_in
from bot.settings import Settings
from bot.storage.asked import PastQuestion
from bot.text import fold, one_line

_FOUND = 3
_QUESTION = 160
_BEFORE = 40


@dataclass(frozen=True, slots=True)
class Changed:
    """A question for which something else is found. `reworded`: the same sections, which say something else."""

    question: PastQuestion
    times: int
    kind: Literal["sections", "reworded"]
    before: tuple[Found, ...]
    after: tuple[Found, ...]


async def replay(settings: Settings, name: str, last: int, *, as_json: bool) -> int:
    """Compare, and list what changes; the status is 0 also then. The questions go to this terminal only."""
    asked = await asked_in(settings)
    live, other = await chosen(settings, "live"), await chosen(settings, name)
    questions = await asked.questions(last)
    changed = await compared(questions, live.policies, other.policies)
    out = Printer(Console(highlight=False), ZoneInfo(settings.shopdesk_timezone))
    if as_json:
        head = {"live": live.policies.version, "other": other.policies.version, "questions": len(questions)}
        out.json(head | {"changed": [_as_json(one) for one in changed]})
    else:
        _show(out, questions, changed, other)
    return 0


async def compared(questions: Sequence[PastQuestion], live: Policies, other: Policies) -> list[Changed]:
    """What changes, other sections first; the same question counts once."""
    times: dict[tuple[str, ...], int] = {}
    newest: dict[tuple[str, ...], PastQuestion] = {}
    for question in questions:
        key = tuple(" ".join(fold(text).split()) for text in (*question.before, question.text))
        times[key] = times.get(key, 0) + 1
        newest.setdefault(key, question)
    changed = []
    for key, question in newest.items():
        before, after = [await _good(policies, question) for policies in (live, other)]
        if _ids(before) != _ids(after):
            changed.append(Changed(question, times[key], "sections", before, after))
        elif [one.section.text for one in before] != [one.section.text for one in after]:
            changed.append(Changed(question, times[key], "reworded", before, after))
    return sorted(changed, key=lambda one: one.kind == "reworded")


async def _good(policies: Policies, question: PastQuestion) -> tuple[Found, ...]:
    found = await policies.search(question.text, before=question.before, limit=_FOUND)
    good = [one for one in found if one.good]
    # Which of the others comes second is no difference that a customer would notice.
    return (*good[:1], *sorted(good[1:], key=lambda one: one.section.id))


def _ids(found: Sequence[Found]) -> list[str]:
    return [one.section.id for one in found]


def _as_json(one: Changed) -> dict[str, object]:
    return {
        "question": one.question.text,
        "before_it": one.question.before,
        "at": one.question.at,
        "platform": one.question.platform,
        "conversation": one.question.conversation,
        "times": one.times,
        "kind": one.kind,
        "found": {"live": _ids(one.before), "other": _ids(one.after)},
    }


def _show(out: Printer, questions: Sequence[PastQuestion], changed: Sequence[Changed], other: Chosen) -> None:
    if not questions:
        out.line("No customer has asked anything yet.")
        return
    count = "The last question" if len(questions) == 1 else f"The last {len(questions):,} questions"
    if not changed:
        out.line(f"{count}: {other.name} finds what is live finds, word for word.")
        return
    sections = [one for one in changed if one.kind == "sections"]
    reworded = [one for one in changed if one.kind == "reworded"]
    parts = [f"{len(sections)} with other sections" if sections else ""]
    parts.append(f"{len(reworded)} with sections whose words change" if reworded else "")
    out.line((f"{count}, live → {other.name}: {', '.join(filter(None, parts))}.", "bold"))
    for one in sections:
        _line(out, one)
        out.line(("    − ", "red"), _labels(one.before))
        out.line(("    + ", "green"), _labels(one.after))
    for one in reworded:
        _line(out, one)
        now = {found.section.id: found.section.text for found in one.before}
        different = [found for found in one.after if now[found.section.id] != found.section.text]
        out.line(("    ~ ", "yellow"), _labels(different))


def _line(out: Printer, one: Changed) -> None:
    often = f"  {one.times} ×" if one.times > 1 else ""
    before = "".join(f"{one_line(text, _BEFORE)} → " for text in one.question.before)
    out.line("  ", (before, "dim"), one_line(one.question.text, _QUESTION), (often, "dim"))


def _labels(found: Sequence[Found]) -> str:
    return ", ".join(name_of(one.section).label for one in found) or "nothing"

"""bot → waiting → human → bot: what may become of a case, decided without asking anybody.

Every function takes a case and gives what it becomes; `NotPossible` says why it cannot. Two people who press
at the same moment are decided one after the other, inside of a transaction each: the second one reads who was first.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from bot.desk import Action, Person
from bot.storage.cases import Case

QUIET = "quiet"
CUSTOMER = "customer"
"""Who resolved a case that no person resolved: time, or the customer, who went back to the bot."""


class NotPossible(Exception):
    """The case does not allow this. `key` is that of the sentence that says why; `name`: who stands in the way."""

    def __init__(self, key: str, name: str = "") -> None:
        self.key = key
        self.name = name
        super().__init__(key)


def taken(case: Case, by: Person, at: datetime) -> Case:
    """Somebody takes the case. Raises `NotPossible` when another one has it."""
    if case.state == "human" and case.taken_by and case.taken_by.id != by.id:
        raise NotPossible("desk_taken_already", case.taken_by.name)
    return replace(_open(case), state="human", taken_by=by, taken_at=_since(case, by) or at)


def released(case: Case, by: Person) -> Case:
    """Nobody has it any more: it waits again. Raises `NotPossible` when nobody, or another one, has it."""
    if case.state != "human":
        raise NotPossible("desk_not_taken")
    _must_be_theirs(case, by)
    return replace(case, state="waiting", taken_by=None, taken_at=None)


def given(case: Case, to: Person, at: datetime) -> Case:
    """It is another one's from now on, whoever had it: assigned or transferred."""
    return replace(_open(case), state="human", taken_by=to, taken_at=at)


def resolved(case: Case, by: str, at: datetime) -> Case:
    """It is done: the bot answers again. `by`: the id of a person, `QUIET` or `CUSTOMER`."""
    if case.state == "resolved":
        raise NotPossible("desk_resolved_already")
    return replace(case, state="resolved", resolved_at=at, resolved_by=by, snoozed_until=None, close_at=None)


def reopened(case: Case) -> Case:
    """It was not done after all: it waits again. Raises `NotPossible` when it is open."""
    if case.state != "resolved":
        raise NotPossible("desk_open_already")
    return replace(_open(case), state="waiting", taken_by=None, taken_at=None)


def snoozed(case: Case, until: datetime) -> Case:
    """It is out of sight until then, or until the customer writes."""
    if case.state == "resolved":
        raise NotPossible("desk_resolved_already")
    return replace(case, snoozed_until=until)


def closing_at(case: Case, at: datetime) -> Case:
    """It resolves itself then, unless the customer writes before."""
    if case.state == "resolved":
        raise NotPossible("desk_resolved_already")
    return replace(case, close_at=at)


def labelled(case: Case, label: str) -> Case:
    """With this label, or without it when it had it."""
    left = tuple(one for one in case.labels if one != label)
    return replace(case, labels=left if len(left) < len(case.labels) else (*case.labels, label))


def heard_from_customer(case: Case, at: datetime) -> Case:
    """The customer wrote: it is in sight again, and does not close itself."""
    return replace(case, last_words_at=at, snoozed_until=None, close_at=None)


def answered_by(case: Case, by: Person, at: datetime) -> Case:
    """One of the staff wrote to the customer: who answers a case that nobody has, has taken it; several may write."""
    case = case if case.state == "human" else taken(case, by, at)
    return replace(case, first_reply_at=case.first_reply_at or at, last_words_at=at)


def due(case: Case, at: datetime, quiet: timedelta) -> Case:
    """What time alone makes of a case: it comes back from a snooze, closes as it was told to, or after `quiet`."""
    if case.state == "resolved":
        return case
    if case.close_at and case.close_at <= at:
        return resolved(case, QUIET, at)
    if case.snoozed_until:
        return replace(case, snoozed_until=None) if case.snoozed_until <= at else case
    last = case.last_words_at or case.opened_at
    return resolved(case, QUIET, at) if case.state == "human" and at - last >= quiet else case


_Step = Callable[[Case, Action, datetime], Case]
_STEPS: dict[str, _Step] = {
    "take": lambda case, action, at: taken(case, action.by, at),
    "release": lambda case, action, at: released(case, action.by),
    "resolve": lambda case, action, at: resolved(case, action.by.id, at),
    "reopen": lambda case, action, at: reopened(case),
    "assign": lambda case, action, at: given(case, action.other or action.by, at),
    "transfer": lambda case, action, at: given(case, action.other or action.by, at),
    "tag": lambda case, action, at: labelled(case, action.argument),
}


def after(case: Case, action: Action, at: datetime) -> Case:
    """What an action without a time in it makes of a case. Raises `NotPossible`."""
    step = _STEPS.get(action.kind)
    return case if step is None else step(case, action, at)


def _open(case: Case) -> Case:
    if case.state != "resolved":
        return case
    return replace(case, resolved_at=None, resolved_by=None, reopened=case.reopened + 1)


def _since(case: Case, by: Person) -> datetime | None:
    return case.taken_at if case.state == "human" and case.taken_by and case.taken_by.id == by.id else None


def _must_be_theirs(case: Case, by: Person) -> None:
    if case.taken_by and case.taken_by.id != by.id:
        raise NotPossible("desk_taken_already", case.taken_by.name)

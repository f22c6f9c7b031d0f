"""What may become of a case: every step from every state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.chat import Address
from bot.desk import Action, ActionKind, Person
from bot.handoff import (
    QUIET,
    NotPossible,
    after,
    answered_by,
    closing_at,
    due,
    heard_from_customer,
    snoozed,
)
from bot.storage.cases import Case

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
MAI, HUNG = Person("7", "Mai"), Person("8", "Hùng")
WAITING = Case(1, 1, "waiting", "asked", "", NOW, last_words_at=NOW)
TAKEN = replace(WAITING, state="human", taken_by=MAI, taken_at=NOW)
RESOLVED = replace(TAKEN, state="resolved", resolved_at=NOW, resolved_by="7")
DAY = timedelta(days=1)


def act(case: Case, kind: ActionKind, by: Person = MAI, other: Person | None = None) -> Case:
    return after(case, Action("a", kind, by, Address("desk", "post1"), other=other), NOW + DAY)


@pytest.mark.parametrize(
    ("case", "kind", "by", "state", "taken_by"),
    [
        (WAITING, "take", MAI, "human", MAI),
        (TAKEN, "take", MAI, "human", MAI),
        (TAKEN, "take", HUNG, "desk_taken_already", MAI),
        (RESOLVED, "take", HUNG, "human", HUNG),
        (WAITING, "release", MAI, "desk_not_taken", None),
        (TAKEN, "release", MAI, "waiting", None),
        (TAKEN, "release", HUNG, "desk_taken_already", MAI),
        (WAITING, "resolve", HUNG, "resolved", None),
        (TAKEN, "resolve", HUNG, "resolved", MAI),
        (RESOLVED, "resolve", HUNG, "desk_resolved_already", MAI),
        (RESOLVED, "reopen", HUNG, "waiting", None),
        (WAITING, "reopen", HUNG, "desk_open_already", None),
        (TAKEN, "assign", HUNG, "human", HUNG),
        (WAITING, "transfer", HUNG, "human", HUNG),
    ],
)
def test_each_step_from_each_state(
    case: Case, kind: ActionKind, by: Person, state: str, taken_by: Person | None
) -> None:
    if state.startswith("desk_"):
        with pytest.raises(NotPossible) as caught:
            act(case, kind, by)
        assert caught.value.key == state
        return
    changed = act(case, kind, by)
    assert (changed.state, changed.taken_by) == (state, taken_by)
    assert changed.reopened == (case.state == "resolved")


def test_who_takes_what_he_has_has_it_since_then() -> None:
    assert act(TAKEN, "take").taken_at == NOW
    assert act(TAKEN, "transfer", HUNG).taken_at == NOW + DAY


def test_several_may_answer_and_the_first_to_answer_has_it() -> None:
    case = answered_by(WAITING, MAI, NOW)
    again = answered_by(case, HUNG, NOW + DAY)
    assert again.taken_by == MAI
    assert (again.first_reply_at, again.last_words_at) == (NOW, NOW + DAY)


def test_what_is_put_off_is_in_sight_again_when_the_customer_writes() -> None:
    case = heard_from_customer(closing_at(snoozed(TAKEN, NOW + DAY), NOW + 2 * DAY), NOW)
    assert (case.snoozed_until, case.close_at) == (None, None)
    for put_off in (snoozed, closing_at):
        with pytest.raises(NotPossible):
            put_off(RESOLVED, NOW + DAY)


@pytest.mark.parametrize(
    ("case", "days", "resolved_by"),
    [
        (TAKEN, 0.9, None),
        (TAKEN, 1, QUIET),
        (WAITING, 30, None),
        (closing_at(WAITING, NOW + DAY), 1, QUIET),
        (snoozed(TAKEN, NOW + 3 * DAY), 2, None),
    ],
)
def test_what_time_alone_does(case: Case, days: float, resolved_by: str | None) -> None:
    assert due(case, NOW + days * DAY, DAY).resolved_by == resolved_by


def test_a_snooze_ends_and_what_is_resolved_stays_so() -> None:
    assert due(snoozed(WAITING, NOW + DAY), NOW + DAY, DAY) == WAITING
    assert due(RESOLVED, NOW + 9 * DAY, DAY) == RESOLVED

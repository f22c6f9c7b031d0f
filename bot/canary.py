"""The rules of a canary, without clock, storage or model: who takes part in it, and when it is worse than the rest."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from bot.config import Margins

WHOLE = 100
"""Percent: everybody."""
IN_A_ROW = 5
"""So many bad turns one after the other are enough, however few turns there are."""
_FEWEST = 3
"""Nothing is judged by fewer turns that are bad or slow: two in thirty may be chance."""
_NOTICED = 0.25
"""Seconds. Nobody notices less."""
_P95 = 0.95


def place_of(salt: str, customer: str) -> float:
    """Where a customer stands for one canary, from 0 to less than 100: as good as by lot, and always the same."""
    digest = sha256(f"{salt}\0{customer}".encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56 * WHOLE


def takes_part(salt: str, customer: str, percent: float) -> bool:
    """Whether a customer does at this stage. Who does at 10 percent also does at 30."""
    return place_of(salt, customer) < percent


def after(stages: Sequence[int], percent: int) -> int | None:
    """The stage behind this one; None when it was the last."""
    return next((stage for stage in stages if stage > percent), None)


@dataclass(frozen=True, slots=True)
class SeenTurn:
    """One turn that a model answered, or should have. `first_text`: seconds from the question to the model to its
    first text; None: there was none. `is_bad`: the model had to be asked again, another one or the policies answered in
    its place, it declined, or nobody answered. `is_handed_over`: a person is to look at it."""

    is_bad: bool
    first_text: float | None
    is_handed_over: bool


@dataclass(frozen=True, slots=True)
class Side:
    """How one side does, in numbers; `first_text` is the p95 in seconds, `in_a_row` the bad turns at the end."""

    turns: int
    bad: int
    in_a_row: int
    handed_over: int
    first_text: float | None

    def share(self, count: int) -> float:
        """A count as a share of the turns."""
        return count / self.turns if self.turns else 0.0


def side_of(turns: Iterable[SeenTurn]) -> Side:
    """The numbers of these turns, the oldest first."""
    seen = list(turns)
    firsts = sorted(turn.first_text for turn in seen if turn.first_text is not None)
    in_a_row = next((number for number, turn in enumerate(reversed(seen)) if not turn.is_bad), len(seen))
    return Side(
        turns=len(seen),
        bad=sum(turn.is_bad for turn in seen),
        in_a_row=in_a_row,
        handed_over=sum(turn.is_handed_over for turn in seen),
        first_text=firsts[_p95(len(firsts))] if firsts else None,
    )


def _p95(count: int) -> int:
    """Which of so many values it is. Of few ones not the slowest two, as they may be chance."""
    return max(0, min(math.ceil(_P95 * count) - 1, count - _FEWEST))


def fault_of(canary: Side, stable: Side, margins: Margins) -> str | None:
    """Why the canary has to be rolled back, in words; None: nothing speaks against it (yet).

    What ails both sides at the same time says nothing about the canary.
    """
    if canary.in_a_row >= IN_A_ROW and 2 * stable.in_a_row < canary.in_a_row:
        return f"its last {canary.in_a_row} turns failed or were answered by a stand-in"
    if min(canary.turns, stable.turns) < margins.turns:
        return None
    return (
        _share("failed or were answered by a stand-in", canary, stable, (canary.bad, stable.bad), margins.errors)
        or _share("went to a person", canary, stable, (canary.handed_over, stable.handed_over), margins.handoffs)
        or _slowness(canary, stable, margins.first_text)
    )


def _share(what: str, canary: Side, stable: Side, counts: tuple[int, int], margin: float) -> str | None:
    here, there = canary.share(counts[0]), stable.share(counts[1])
    if counts[0] < _FEWEST or here - there <= margin:
        return None
    return (
        f"{here:.0%} of its {canary.turns} turns {what}, {there:.0%} on the stable side; {margin:.0%} more is allowed"
    )


def _slowness(canary: Side, stable: Side, factor: float) -> str | None:
    here, there = canary.first_text, stable.first_text
    if here is None or there is None or here <= max(factor * there, there + _NOTICED):
        return None
    return f"its first text takes {here:.1f} s (p95), {there:.1f} s on the stable side; {factor:g} times is allowed"

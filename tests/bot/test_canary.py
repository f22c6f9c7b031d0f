"""Who takes part in a canary, and when it is worse than the rest: the rules."""

import pytest

from bot.canary import SeenTurn, Side, after, fault_of, place_of, side_of, takes_part
from bot.config import Margins

STAGES = (10, 30, 50, 100)
GOOD = SeenTurn(False, 0.5, False)
BAD = SeenTurn(True, 0.5, False)
MARGINS = Margins()


def of(good: int, bad: int = 0) -> Side:
    """Bad turns first, so that none stand in a row at the end."""
    return side_of([BAD] * bad + [GOOD] * good)


# By lot, 10,000 customers are half a point off at 50 %: one salt in twenty has more than one. These are fixed.
@pytest.mark.parametrize("salt", ["5f1d", "a07c"])
@pytest.mark.parametrize("name", ["telegram:{}", "web:{:032x}", "discord:{}000000000000"])
def test_each_stage_has_its_share_of_10_000_customers_and_nobody_flips_back(salt: str, name: str) -> None:
    customers = [name.format(1_000_000 + number) for number in range(10_000)]
    before: set[str] = set()
    for stage in STAGES:
        chosen = {customer for customer in customers if takes_part(salt, customer, stage)}
        assert abs(len(chosen) / 100 - stage) <= 1
        assert before <= chosen
        before = chosen
    assert len(before) == 10_000


def test_another_canary_chooses_other_customers() -> None:
    chosen = [{number for number in range(10_000) if takes_part(salt, str(number), 10)} for salt in ("a", "b")]
    assert len(chosen[0] & chosen[1]) < 200
    assert place_of("a", "7") == place_of("a", "7")
    assert place_of("a", "7") != place_of("b", "7")


def test_one_stage_comes_after_the_other() -> None:
    assert [after(STAGES, percent) for percent in (0, 10, 30, 50, 100)] == [10, 30, 50, 100, None]


def test_a_side_is_counted() -> None:
    nobody, handed = SeenTurn(True, None, False), SeenTurn(False, 3.0, True)
    assert side_of([GOOD] * 18 + [handed, nobody]) == Side(20, 1, 1, 1, 0.5)
    assert side_of([GOOD] * 17 + [handed] * 3).first_text == 3.0
    assert side_of([GOOD] * 95 + [handed] * 5).first_text == 0.5
    assert side_of([GOOD] * 94 + [handed] * 6).first_text == 3.0
    assert side_of([handed]).first_text == 3.0
    assert side_of([]) == Side(0, 0, 0, 0, None)
    assert side_of([nobody, nobody]) == Side(2, 2, 2, 0, None)


@pytest.mark.parametrize(
    ("canary", "stable", "expected"),
    [
        (of(30), of(30), None),
        (of(24, 6), of(30), "20% of its 30 turns failed or were answered by a stand-in, 0% on the stable side; 5%"),
        (of(24, 6), of(29), None),
        (of(23, 6), of(30), None),
        (of(24, 6), of(25, 5), None),
        (of(28, 2), of(30), None),
        (of(95, 5), of(300), None),
        (of(94, 6), of(300), "6% of its 100 turns failed"),
    ],
    ids=["as good", "worse", "few stable", "few turns", "both", "may be chance", "at the margin", "beyond the margin"],
)
def test_who_fails_more_often_is_rolled_back(canary: Side, stable: Side, expected: str | None) -> None:
    found = fault_of(canary, stable, MARGINS)
    assert found == expected or (found or "").startswith(expected or "-")


def test_who_is_slower_or_hands_over_more_is_rolled_back_too() -> None:
    slow, quick = [side_of([SeenTurn(False, seconds, False)] * 30) for seconds in (0.80, 0.50)]
    assert (fault_of(slow, quick, MARGINS) or "").startswith("its first text takes 0.8 s (p95), 0.5 s on the stable")
    assert fault_of(quick, slow, MARGINS) is None
    less, least = [side_of([SeenTurn(False, seconds, False)] * 30) for seconds in (0.30, 0.10)]
    assert fault_of(less, least, MARGINS) is None  # three times as long, which nobody notices
    handing = side_of([SeenTurn(False, 0.5, number < 4) for number in range(30)])
    assert (fault_of(handing, quick, MARGINS) or "").startswith("13% of its 30 turns went to a person, 0% on")


@pytest.mark.parametrize(
    ("failed", "stable", "is_dead"),
    [
        (4, of(100), False),
        (5, of(100), True),
        (5, of(0), True),
        (5, side_of([BAD] * 3), False),
        (9, side_of([BAD] * 40), False),
    ],
    ids=["not yet", "dead", "alone", "both", "an outage of all"],
)
def test_five_failures_in_a_row_are_enough_unless_the_stable_side_fails_too(
    failed: int, stable: Side, is_dead: bool
) -> None:
    found = fault_of(side_of([GOOD] * 3 + [BAD] * failed), stable, MARGINS)
    assert (found == f"its last {failed} turns failed or were answered by a stand-in") is is_dead

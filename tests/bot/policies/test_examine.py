"""What becomes of policy tests, with and without a model."""

import asyncio
from collections.abc import Sequence
from datetime import date

import pytest

from bot.policies.check import check
from bot.policies.examine import Said, Tried, examine, run_tests
from bot.policies.live import Policies
from tests.bot.policies.shop import good_files

EXCHANGE = "- ask: đổi trả mấy ngày\n"


def policies(tests: str) -> Policies:
    english = "---\ntitle: Payment\n---\n## Ways to pay\n\nCash or card.\n"
    return Policies(check(good_files(policies__en__payment=english) | {"tests/x.yaml": tests}), "v", "vi")


async def failures(tests: str) -> list[str]:
    return [failure async for tried in run_tests(policies(tests)) for failure in tried.failures]


@pytest.mark.parametrize(
    "expected",
    [
        "finds: vi/returns#thoi-han-doi-tra",
        "finds: vi/returns",
        "finds: returns › thoi han doi tra",
        "finds: vi/returns > Thời hạn đổi trả",
        "finds: Đổi trả › Thời hạn đổi trả",
        "finds: Thời hạn đổi trả",
        "finds: [Thời hạn đổi trả, Phí đổi trả]",
        "not_finds: en/payment",
        "first: 1\n  not_finds: Phí đổi trả",
    ],
)
async def test_what_is_found_may_be_named_in_many_ways(expected: str) -> None:
    assert await failures(f"{EXCHANGE}  {expected}\n") == []


async def test_a_failing_test_says_what_was_expected_and_what_is_found() -> None:
    (problem,) = await examine(policies(f"{EXCHANGE}  finds: en/payment\n"))
    assert (problem.file, problem.line) == ("tests/x.yaml", 1)
    assert problem.reason.startswith(
        "“đổi trả mấy ngày” should find “en/payment” among the first 3, but finds vi/returns › "
    )
    assert problem.fix == "Correct the policy, or the test."


async def test_what_is_not_good_enough_is_not_found() -> None:
    assert await failures("- ask: thời tiết hôm nay\n  finds_nothing: true\n") == []
    assert await failures("- ask: xyz\n  finds: vi/returns\n") == [
        "should find “vi/returns” among the first 3, but finds nothing"
    ]
    (failure,) = await failures(f"{EXCHANGE}  finds_nothing: true\n")
    assert failure.startswith("should find nothing, but finds vi/returns › Thời hạn đổi trả (")
    (failure,) = await failures(f"{EXCHANGE}  not_finds: vi/returns\n")
    assert failure.startswith("should not find “vi/returns” among the first 3, but finds")


async def test_a_second_turn_is_understood_from_the_first() -> None:
    assert await failures("- ask: [thời hạn đổi trả, còn phí?]\n  finds: Phí đổi trả\n") == []


async def test_each_wording_is_tried() -> None:
    tests = f"{EXCHANGE}  also: [doi tra may ngay, xyz]\n  finds: vi/returns\n"
    assert [bool(tried.failures) async for tried in run_tests(policies(tests))] == [False, False, True]


async def said(tests: str, answer: str) -> list[Tried]:
    async def ask(policies: Policies, turns: Sequence[str], at: date | None) -> Said:
        return Said(answer)

    return [tried async for tried in run_tests(policies(tests), ask=ask)]


@pytest.mark.parametrize(
    ("expected", "answer", "fails"),
    [
        ("says: 7 ngày", "Trong **7 ngày** ạ.", False),
        ("says: 7 ngày", "Trong 7 **ngày** ạ.", False),
        ("says: 7 ngày", "Trong 17 ngày.", True),
        ("says: 7 ngay", "trong 7 NGÀY", False),
        ("says: 30.000 đ", "chỉ 30,000 đ thôi", False),
        ("says: 30k", "chỉ 30.000 đ thôi", False),
        ("says: [7 ngày, miễn phí]", "7 ngày", True),
        ("not_says: 30 ngày", "7 ngày", False),
        ("not_says: [30 ngày, 7 ngày]", "7 ngày", True),
        ("language: vi", "Dạ, shop đổi trong bảy ngày ạ.", False),
        ("language: vi", "You have seven days.", True),
    ],
)
async def test_what_is_said_is_compared_word_by_word_without_marks(expected: str, answer: str, fails: bool) -> None:
    (tried,) = await said(f"{EXCHANGE}  {expected}\n", answer)
    assert bool(tried.failures) is fails
    assert (tried.is_skipped, tried.is_unsaid) == (False, False)


async def test_without_a_model_what_should_be_said_is_skipped_and_known_as_that() -> None:
    tests = f"{EXCHANGE}  says: 7 ngày\n{EXCHANGE}  finds: vi/returns\n  says: 30 ngày\n"
    tried = [one async for one in run_tests(policies(tests))]
    assert [(one.is_skipped, one.is_unsaid, one.failures) for one in tried] == [(True, True, ()), (False, True, ())]
    assert await examine(policies(tests)) == []


async def test_a_model_is_asked_only_where_something_should_be_said_and_some_at_a_time() -> None:
    at_once, most, asked = 0, 0, 0

    async def ask(policies: Policies, turns: Sequence[str], at: date | None) -> Said:
        nonlocal at_once, most, asked
        asked, at_once = asked + 1, at_once + 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return Said("7 ngày")

    tests = f"{EXCHANGE}  says: 7 ngày\n" * 20 + f"{EXCHANGE}  finds: vi/returns\n"
    tried = [one async for one in run_tests(policies(tests), ask=ask)]
    assert [one.test.line for one in tried] == [2 * number + 1 for number in range(21)]
    assert (asked, most) == (20, 4)


async def test_a_model_that_gives_no_answer_is_a_failure() -> None:
    async def ask(policies: Policies, turns: Sequence[str], at: date | None) -> Said:
        return Said("", fault="the model gave no answer: overloaded")

    (tried,) = [one async for one in run_tests(policies(f"{EXCHANGE}  not_says: x\n"), ask=ask)]
    assert tried.failures == ("the model gave no answer: overloaded",)


TET = "---\ntitle: Tết\nvalid_from: {}\nvalid_until: {}\n---\n\n## Nghỉ Tết\n\nNghỉ từ mùng một.\n"


@pytest.mark.parametrize(
    ("start", "until", "at", "but", "day"),
    [
        ("2020-01-20", "2020-01-30", "", "has ended (2020-01-30)", "2020-01-20"),
        ("2199-01-20 13:00", "2199-02-01", "", "does not count before 2199-01-20 13:00", "2199-01-21"),
        ("2020-01-20", "2020-01-30", "2020-02-01", "has ended (2020-01-30)", "2020-01-20"),
        ("2020-01-20 13:00", "2020-01-20 15:00", "", "has ended (2020-01-20 15:00)", ""),
    ],
)
async def test_a_section_that_does_not_count_on_the_day_is_said_to_and_the_day_is_named(
    start: str, until: str, at: str, but: str, day: str
) -> None:
    test = "- ask: nghỉ tết từ mùng mấy\n  finds: vi/tet\n" + (f"  at: {at}\n" if at else "")
    files = good_files(policies__vi__tet=TET.format(start, until)) | {"tests/x.yaml": test}
    (problem,) = await examine(Policies(check(files), "v", "vi"))
    fix = f": write into the test a day on which it counts, “at: {day}”" if day else ""
    assert f"should find “vi/tet” among the first 3, but that {but}{fix}." in problem.reason


async def test_a_section_for_staff_is_said_to_be_for_staff() -> None:
    staff = "---\ntitle: Nội bộ\naudience: staff\n---\n\n## Giảm giá\n\nNhân viên được giảm.\n"
    files = good_files(policies__vi__inside=staff) | {"tests/x.yaml": "- ask: giảm giá\n  finds: vi/inside\n"}
    (problem,) = await examine(Policies(check(files), "v", "vi"))
    assert "but that is for staff only, and tests ask as customers do." in problem.reason

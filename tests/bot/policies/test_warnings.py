"""What keeps nothing from going live, and that an admin should look at all the same."""

from datetime import datetime

import pytest

from bot.policies.check import check, read_prompts
from bot.policies.warnings import warnings_of
from tests.bot.policies.shop import SAMPLE, good_files, sentences

WALL = datetime(2026, 2, 20, 12, 0)
EN = "---\ntitle: Returns\n---\n\n## Period\n\nWithin **7 days** of delivery.\n\n## Costs\n\nFree.\n"


def warnings(language: str = "vi", **changed: str) -> list[str]:
    tests = {"tests/x.yaml": changed.pop("tests")} if "tests" in changed else {}
    files = good_files(**{"policies__en__returns": EN, "sentences__en": sentences(), **changed}) | tests
    return [str(one) for one in warnings_of(check(files), language=language, wall=WALL)]


def test_the_sample_shop_has_none() -> None:
    assert warnings_of(read_prompts(SAMPLE), language="vi", wall=WALL) == ()


def test_a_shop_that_says_the_same_in_both_languages_has_none() -> None:
    assert warnings() == []


def test_a_shop_of_one_language_has_none() -> None:
    assert warnings_of(check(good_files()), language="vi", wall=WALL) == ()


def test_a_test_that_will_fail_by_itself_is_named_with_the_day_to_write_into_it() -> None:
    tet = "---\ntitle: Tết\nvalid_from: 2026-02-25 18:00\nvalid_until: 2026-03-22\n---\n\n## Nghỉ\n\nNghỉ hết.\n"
    asks = "- ask: nghỉ\n  finds: vi/tet\n"
    assert warnings(policies__vi__tet=tet, policies__en__tet=tet, tests=asks) == [
        "tests/x.yaml:2: this test fails once “vi/tet” has ended (2026-03-22). Write “at: 2026-02-26” into the test."
    ]
    assert "tests/x" not in str(warnings(policies__vi__tet=tet, tests=f"{asks}  at: 2026-02-26\n"))


def test_other_numbers_under_the_same_heading_are_named_with_both_places() -> None:
    assert warnings(policies__en__returns=EN.replace("7 days", "15 days")) == [
        "policies/en/returns.md:5: “Period” and policies/vi/returns.md:7 differ: 15 days only here, 7 ngày only there. "
        "Correct the one that is wrong."
    ]
    assert warnings(policies__en__returns=EN.replace("Free.", "30,000 VND from the 2nd time.")) == [
        "policies/en/returns.md:9: “Costs” and policies/vi/returns.md:11 differ: 30,000 VND, 2 only here. "
        "Correct the one that is wrong."
    ]


def test_a_section_too_many_does_not_set_the_others_against_each_other() -> None:
    more = EN.replace("## Period", "## Gifts\n\nGifts within 20 days, up to 50,000 VND.\n\n## Period")
    wrong = more.replace("7 days", "9 days")

    counted = (
        "policies/en/returns.md: it has 3 sections, and policies/vi/returns.md has 2. "
        "Add what is missing, or delete what no longer holds."
    )
    assert warnings(policies__en__returns=more) == [counted]
    assert warnings(policies__en__returns=wrong) == [
        counted,
        "policies/en/returns.md:9: “Period” and policies/vi/returns.md:7 differ: 9 days only here, 7 ngày only there. "
        "Correct the one that is wrong.",
    ]


def test_what_only_one_language_has_is_named_once_for_the_other() -> None:
    gifts = "---\ntitle: Quà\n---\n## Gói quà\n\nMiễn phí.\n"

    assert warnings(policies__vi__gifts=gifts, policies__vi__cards=gifts) == [
        "policies/en: 2 policies of the other languages are missing here: cards, gifts. "
        "Translate what is missing: customers are answered from the other language until then."
    ]
    assert warnings(policies__vi__gifts=gifts.replace("---\n##", "audience: staff\n---\n##")) == []


def test_a_language_without_the_programs_sentences_is_named() -> None:
    text = EN.replace("title: Returns", "title: Rückgabe")

    assert warnings(policies__de__returns=text) == [
        "policies/de: there is no sentences/de.toml: the program says its own sentences in vi. "
        "Write it: copy the one that there is, and translate it."
    ]


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("2026-02-19", "this policy ended (2026-02-19). Delete the file, or correct valid_until."),
        ("2026-02-20", "this policy ends today (2026-02-20). Look after what holds then, if something has to."),
        ("2026-02-21", "this policy ends tomorrow (2026-02-21). Look after what holds then, if something has to."),
        ("2026-03-05", "this policy ends in 13 days (2026-03-05). Look after what holds then, if something has to."),
        ("2026-03-07", None),
    ],
)
def test_a_policy_that_ends_soon_or_has_ended_is_named(until: str, expected: str | None) -> None:
    text = EN.replace("title: Returns", f"title: Returns\nvalid_until: {until}")
    both = good_files(policies__en__returns=text)
    del both["policies/vi/returns.md"]

    found = [
        str(one) for one in warnings_of(check(both | {"sentences/en.toml": sentences()}), language="vi", wall=WALL)
    ]
    assert found == ([f"policies/en/returns.md:3: {expected}"] if expected else [])


def test_languages_that_count_at_different_times_are_named() -> None:
    text = EN.replace("title: Returns", "title: Returns\nvalid_from: 2026-01-01\naudience: staff")

    assert warnings(policies__en__returns=text) == [
        "policies/en/returns.md:1: it counts from 2026-01-01 for staff, but policies/vi/returns.md always. "
        "Correct the front matter of the one that is wrong."
    ]


def test_a_section_that_is_nearly_too_long_is_named() -> None:
    text = EN.replace("Free.", "Free. " * 900)

    assert warnings(policies__en__returns=text) == [
        "policies/en/returns.md:9: this section has 5,399 of at most 6,000 characters. "
        "Split it with more headings: it is shown as a source."
    ]


@pytest.mark.timeout(20)
def test_a_shop_of_many_figures_is_compared_as_far_as_that_takes_no_time() -> None:
    body = "".join(f"## h{number}\n{'1 2 3 4 ' * 70}\n" for number in range(150))
    texts = {
        f"policies__{language}__p{number}": f"---\ntitle: A\n---\n{body}"
        for language in ("vi", "en")
        for number in range(3)
    }

    assert warnings(**texts) == []

"""The files of policy tests: what may be written, and what an admin reads about what may not."""

from datetime import date

import pytest

from bot.errors import PromptsError
from bot.policies.check import check
from bot.policies.expectations import PolicyTest, read_tests
from bot.policies.findings import Findings
from tests.bot.policies.shop import good_files


def read(text: str) -> tuple[tuple[PolicyTest, ...], list[str]]:
    findings = Findings("tests/x.yaml")
    tests = read_tests(text, findings)
    return tests, [str(problem).removeprefix("tests/x.yaml") for problem in findings.problems]


def of_folder(text: str, name: str = "tests/x.yaml") -> list[str]:
    """The problems of a folder with this file of tests."""
    try:
        check(good_files() | {name: text})
    except PromptsError as exc:
        return [str(problem) for problem in exc.problems]
    return []


def test_a_test_is_a_question_and_what_it_finds() -> None:
    (test,), problems = read("- ask: doi tra may ngay\n  finds: returns › Thời hạn đổi trả\n")
    assert problems == []
    assert (test.file, test.line, test.turns, test.first) == ("tests/x.yaml", 1, ("doi tra may ngay",), 3)
    assert [(named.words, named.line) for named in test.finds] == [("returns › Thời hạn đổi trả", 2)]
    assert (test.is_about_finding, test.is_about_saying) == (True, False)


def test_a_test_may_be_a_conversation_with_all_there_is() -> None:
    text = """
- ask: [Đổi trả mấy ngày?, còn giày?]
  also: [con giay thi sao]
  finds: [vi/returns, vi/returns#phi-doi-tra]
  not_finds: vi/payment
  first: 5
  says: 500.000
  not_says: [no, 30]
  language: vi
  at: 2027-02-06
"""
    (test,), problems = read(text)
    assert problems == []
    assert test.questions == (("Đổi trả mấy ngày?", "còn giày?"), ("Đổi trả mấy ngày?", "con giay thi sao"))
    assert [named.words for named in (*test.says, *test.not_says)] == ["500.000", "no", "30"]
    assert (test.first, test.language, test.at) == (5, "vi", date(2027, 2, 6))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ask: a\n", ":1: this is no list of tests. Begin each test with “- ask: …”."),
        ("- a\n", ":1: this is no test. Write “- ask: …” and what it finds below it."),
        ("- finds: x\n", ":1: this test asks nothing. Write “ask: …” with what a customer writes."),
        ("- ask: a\n", ":1: this test expects nothing. Write “finds: …”, “finds_nothing: true” or “says: …”."),
        ("- ask: ''\n  finds: x\n", ":1: ask is empty. Write it behind the colon."),
        ("- ask: [[a]]\n  finds: x\n", ":1: ask holds a list in a list, or keys. Write texts only."),
        ("- ask: []\n  finds: x\n", ":1: ask has 0 entries. Write 1 to 20."),
        ("- ask: a\n  finds: b\n  finds: c\n", ":3: “finds” is there twice. Make one list of both."),
        ("- ask: a\n  finds_nothing: maybe\n", ":2: finds_nothing is “maybe”. Write true, or delete the line."),
        ("- ask: a\n  finds: x\n  first: 0\n", ":3: first is “0”. Write a number from 1 to 20."),
        ("- ask: a\n  finds: x\n  first: ²\n", ":3: first is “²”. Write a number from 1 to 20."),
        ("- ask: a\n  finds: x\n  at: 6/2/2027\n", ":3: at is “6/2/2027”. Write a day like 2027-02-06."),
        ("- ask: a\n  says: '?!'\n", ":2: says “?!” has no words. Write words or numbers."),
        ("- ask: a\n  language: fr\n", ":2: no answer can be told to be “fr”. Known: vi, en."),
        (
            "- ask: a\n  finds: x\n  finds_nothing: true\n",
            ":1: it can not find nothing and something. Keep finds_nothing, or the sections.",
        ),
        (
            "- ask: a\n  find: x\n",
            ":2: “find” is no key of a test. Did you mean “finds”? Known: ask, also, finds, not_finds, "
            "finds_nothing, first, says, not_says, language, at.",
        ),
        ("#" * 200_000, ": this file is longer than 131,072 characters. Make two files of it."),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_the_fix(text: str, problem: str) -> None:
    assert read(text) == ((), [problem])


def test_a_question_that_is_a_whole_novel_is_refused() -> None:
    assert read(f"- ask: {'a' * 2001}\n  finds: x\n")[1] == [":1: ask is longer than 2,000 characters. Shorten it."]


def test_texts_are_cleaned_of_what_cannot_be_seen() -> None:
    (test,), _ = read('- ask: "a\\0\\u202eb"\n  finds: x\n')
    assert test.turns == ("ab",)


def test_tests_are_a_part_of_the_folder() -> None:
    prompts = check(good_files() | {"tests/x.yaml": "- ask: a\n  finds: returns\n", "tests/y.yaml": ""})
    assert [test.file for test in prompts.tests] == ["tests/x.yaml"]


def test_a_section_that_no_longer_exists_is_named_with_the_nearest() -> None:
    text = "- ask: a\n  finds:\n    - vi/returns › Phí đổi trả\n    - vi/returns › Thời han đổi tra hàng\n"
    assert of_folder(text) == [
        "tests/x.yaml:4: there is no section “vi/returns › Thời han đổi tra hàng”. Did you mean "
        "“vi/returns › Thời hạn đổi trả”? Correct the name, or delete the test."
    ]


def test_a_policy_that_is_wrong_itself_is_not_called_missing() -> None:
    files = good_files() | {"tests/x.yaml": "- ask: a\n  finds: vi/returns\n"}
    files["policies/vi/returns.md"] = "no front matter"
    with pytest.raises(PromptsError) as caught:
        check(files)
    assert {problem.file for problem in caught.value.problems} == {"policies/vi/returns.md"}


def test_other_files_among_the_tests_are_named() -> None:
    assert of_folder("x", "tests/x.yml")[0].startswith("tests/x.yml: this file does not belong here.")
    assert of_folder("x", "tests/Đổi trả.yaml")[0].startswith("tests/Đổi trả.yaml: “Đổi trả” is no name for a file")
    assert of_folder("<<<<<<< HEAD\n")[0].startswith("tests/x.yaml:1: a mark of a merge conflict was left in.")

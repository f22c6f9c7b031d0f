"""`shopdesk policies gaps`, `who-said` and `replay`, as an admin types and reads them."""

from pathlib import Path

import pytest

from bot.chat import Address
from bot.policies.check import read_prompts
from tests.bot.policy_commands.typed import Typed

HAN = "vi/returns#thoi-han-doi-tra"


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """A shop with a past: three gaps, two of them the same, and one answer from a section."""
    typed = Typed(tmp_path)
    typed.start()
    typed.asks("shop có trả góp qua thẻ tín dụng không?", gap=True)
    typed.asks("tra gop qua the tin dung dc ko shop", gap=True, at=Address("web", "x"))
    typed.asks("có bán laptop không?", gap=True)
    typed.asks("đổi trả mấy ngày?", source=HAN, at=Address("shop", "mai"))
    return typed


def test_gaps_are_grouped_with_counts_newest_example_and_what_is_nearest(typed: Typed) -> None:
    found = typed.type("gaps")
    assert (found.exit_code, found.stderr) == (0, "")
    lines = found.stdout.splitlines()
    assert lines[0] == "3 questions without an answer from the policies in the last 30d, 2 different ones:"
    assert lines[1] == "  1.   2 × tra gop qua the tin dung dc ko shop"
    assert lines[2].strip().endswith(", web, conversation 2")
    assert lines[3].strip() == "also: shop có trả góp qua thẻ tín dụng không?"
    assert any(line == "  2.   1 × có bán laptop không?" for line in lines)
    assert typed.type("gaps", "--limit", "1").stdout.count(" × ") == 1


def test_gaps_as_json_hold_all_of_it(typed: Typed) -> None:
    found = typed.json("gaps", "--since", "all")
    assert (found["questions"], found["groups"]) == (3, 2)
    first = found["gaps"][0]
    assert (first["number"], first["count"], first["platform"], first["language"]) == (1, 2, "web", "vi")
    assert first["others"] == ["shop có trả góp qua thẻ tín dụng không?"]
    assert first["is_closed"] is False


def test_a_gap_that_a_policy_answers_by_now_is_last_and_says_so(typed: Typed) -> None:
    policy = typed.prompts / "policies/vi/returns.md"
    policy.write_text(policy.read_text() + "\n## Trả góp\n\nTrả góp qua thẻ tín dụng của mọi ngân hàng.\n")
    typed.start()
    lines = typed.type("gaps").stdout.splitlines()
    assert lines[1] == "  1.   1 × có bán laptop không?"
    assert any("found now: vi/returns › Trả góp" in line for line in lines)


def test_a_test_is_written_behind_what_is_there_and_checks(typed: Typed) -> None:
    file = typed.prompts / "tests/gaps.yaml"
    done = typed.type("gaps", "--write-test", "2")
    assert done.stdout.startswith(f"{file}:4 is a test now for “có bán laptop không?”. It expects that nothing is fou")
    assert file.read_text().splitlines()[3] == '- ask: "có bán laptop không?"'
    before = file.read_text() + "# mine"
    file.write_text(before)
    assert typed.json("gaps", "--write-test", "1", "--finds", "returns › Phí đổi trả")["line"] == 10
    assert file.read_text().startswith(before + "\n")
    tests = [test for test in read_prompts(typed.prompts).tests if test.file == "tests/gaps.yaml"]
    assert [(test.turns[-1], test.line) for test in tests] == [
        ("có bán laptop không?", 4),
        ("tra gop qua the tin dung dc ko shop", 10),
    ]
    assert tests[1].also == ("shop có trả góp qua thẻ tín dụng không?",)
    assert typed.type("test").exit_code == 1
    again = typed.type("gaps", "--write-test", "2")
    assert (again.exit_code, again.stderr) == (2, f"{file} has a test for this question already.\n")


def test_whatever_a_customer_wrote_becomes_a_valid_test(typed: Typed) -> None:
    hostile = 'laptop "x": &y *z # !t {a}\n- ask: [\x85\u2028 \\'
    typed.asks(hostile, gap=True, at=Address("web", "y"))
    number = next(gap["number"] for gap in typed.json("gaps")["gaps"] if gap["question"] == hostile)
    assert typed.type("gaps", "--write-test", str(number)).exit_code == 0
    (test,) = [test for test in read_prompts(typed.prompts).tests if test.file == "tests/gaps.yaml"]
    assert test.turns[-1].startswith('laptop "x": &y *z # !t {a}\n- ask: [')


def test_a_file_that_is_wrong_is_left_as_it_is(typed: Typed) -> None:
    file = typed.prompts / "tests/gaps.yaml"
    file.write_text("- ask: a\n  fnds: b\n")
    found = typed.type("gaps", "--write-test", "1")
    assert found.exit_code == 2
    assert found.stderr.startswith(f"{file}:2: “fnds” is no key of a test. Did you mean “finds”?")
    assert found.stderr.endswith("Nothing was written.\n")
    assert file.read_text() == "- ask: a\n  fnds: b\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--write-test", "9"), "There is no group 9: there are only 2 in the last 30d; see --since."),
        (("--write-test", "1", "--finds", "vi/retruns"), "There is no section “vi/retruns” in "),
    ],
)
def test_what_cannot_be_written_is_one_sentence(typed: Typed, words: tuple[str, ...], complaint: str) -> None:
    found = typed.type("gaps", *words)
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1)
    assert found.stderr.startswith(complaint)


def test_words_that_mean_nothing_are_refused(typed: Typed) -> None:
    assert typed.type("gaps", "--since", "soon").exit_code == 2
    assert typed.type("gaps", "--finds", "vi/returns").exit_code == 2
    assert typed.type("replay", "--candidate", "--version", "live").exit_code == 2


def test_who_said_shows_the_newest_answers_and_counts_the_others(typed: Typed) -> None:
    typed.asks("đổi trả bao lâu?", source=HAN)
    found = typed.type("who-said", "vi/returns", "--limit", "1").stdout
    assert found.startswith("2 answers relied on ")
    assert found.count("  asked ") == 1
    assert found.endswith("\n1 older one: --limit shows more.\n")
    assert typed.json("who-said", "vi/returns", "--limit", "1")["count"] == 2


def test_who_said_lists_the_answers_and_whether_the_section_says_that_still(typed: Typed) -> None:
    lines = typed.type("who-said", "returns › thoi han doi tra").stdout.splitlines()
    assert lines[0] == "1 answer relied on vi/returns › Thời hạn đổi trả:"
    assert lines[2].endswith("  shop, conversation 3, version aaaaaaaaaaaa, vi/returns#thoi-han-doi-tra")
    assert lines[3:] == ["  asked     đổi trả mấy ngày?", "  answered  Trong 7 ngày ạ."]
    policy = typed.prompts / "policies/vi/returns.md"
    policy.write_text(policy.read_text().replace("7 ngày", "15 ngày"))
    typed.start()
    assert "it said something else then" in typed.type("who-said", HAN).stdout
    (answer,) = typed.json("who-said", "vi/returns")["answers"]
    assert (answer["question"], answer["is_current"], answer["version"]) == ("đổi trả mấy ngày?", False, "a" * 64)


def test_a_section_that_was_deleted_is_still_known_by_what_was_said(typed: Typed) -> None:
    typed.asks("phí?", source="vi/old#cu")
    assert "1 answer relied on vi/old › Thời hạn đổi trả:" in typed.type("who-said", "vi/old").stdout
    assert "No answer relied on vi/returns › Phí đổi trả." in typed.type("who-said", "Phí đổi trả").stdout


def test_a_section_that_never_was_is_one_sentence_with_the_nearest(typed: Typed) -> None:
    found = typed.type("who-said", "vi/returns › Thời hạn đổi tra")
    assert found.exit_code == 0
    found = typed.type("who-said", "vi/retruns")
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr == (
        "There is no section “vi/retruns”, and no answer relied on one. Did you mean “vi/returns”?\n"
    )


def test_replay_lists_the_questions_that_would_find_something_else(typed: Typed) -> None:
    assert typed.type("replay").stdout == (
        f"The last 4 questions: {typed.prompts} finds what is live finds, word for word.\n"
    )
    typed.asks("Đổi trả mấy ngày?", source=HAN, at=Address("web", "z"))
    policy = typed.prompts / "policies/vi/returns.md"
    policy.write_text(policy.read_text().replace("7 ngày", "15 ngày"))
    lines = typed.type("replay", "--last", "9").stdout.splitlines()
    assert lines[0].startswith("The last 5 questions, live → ")
    assert lines[0].endswith(": 1 with sections whose words change.")
    assert lines[1:] == ["  Đổi trả mấy ngày?  2 ×", "    ~ vi/returns › Thời hạn đổi trả"]
    policy.write_text(policy.read_text() + "\n## Thẻ tín dụng\n\nTrả góp qua thẻ tín dụng.\n")
    lines = typed.type("replay").stdout.splitlines()
    assert "    − nothing" in lines
    assert "    + vi/returns › Thẻ tín dụng" in lines
    changed = typed.json("replay")["changed"]
    assert ("sections", []) in [(one["kind"], one["found"]["live"]) for one in changed]
    assert typed.json("replay", "--version", "live")["changed"] == []


def test_before_anybody_has_asked_it_is_said_so(tmp_path: Path) -> None:
    typed = Typed(tmp_path)
    for words in (("gaps",), ("who-said", "vi/returns"), ("replay",)):
        found = typed.type(*words)
        assert (found.exit_code, found.stdout) == (2, "")
        assert found.stderr.endswith("shopdesk.db yet: no customer has asked anything.\n")
    typed.start()
    assert typed.type("gaps").stdout.startswith("No question was left without an answer from the policies")
    assert typed.type("replay").stdout == "No customer has asked anything yet.\n"

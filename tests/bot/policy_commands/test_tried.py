"""`shopdesk policies test`: what is printed, written and returned, with and without a model."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bot.errors import ModelUnavailable
from bot.llm.base import Usage
from tests.bot.policies.shop import good_files, write
from tests.bot.policy_commands.typed import TESTS, Typed

FAILING = "- ask: phí đổi trả bao nhiêu?\n  finds_nothing: true\n"
SAID = "- ask: đổi trả mấy ngày?\n  says: 7 ngày\n"


def test_without_a_model_what_is_found_is_tried_and_the_rest_named(tmp_path: Path) -> None:
    found = Typed(tmp_path, tests=TESTS + SAID).type("test")
    assert (found.exit_code, found.stderr) == (0, "")
    head, passed, skipped, summary, note = found.stdout.splitlines()
    assert head == "tests/a.yaml"
    assert passed == "  ✓ đổi trả mấy ngày?"
    assert skipped == "  – đổi trả mấy ngày?  needs a model"
    assert summary.startswith("1 passed, 1 skipped in 0.")
    assert summary.endswith(f"on {tmp_path / 'prompts'}.")
    assert note.startswith("What should be said was not tried for 2 questions: it needs a model (--model NAME")


def test_a_failure_names_its_line_what_was_expected_and_what_is_found(tmp_path: Path) -> None:
    found = Typed(tmp_path, tests=TESTS + FAILING).type("test")
    assert found.exit_code == 1
    assert "  ✗ phí đổi trả bao nhiêu?  line 4\n" in found.stdout
    assert "      should find nothing, but finds vi/returns › Phí đổi trả (" in found.stdout
    assert "1 passed, 1 failed in 0." in found.stdout


def test_a_model_is_asked_as_the_engine_asks_it_and_what_it_costs_is_told(tmp_path: Path) -> None:
    typed = Typed(tmp_path)
    found = typed.type("test", "--model", "anthropic:claude-test")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.splitlines()[-1] == "It cost 10 tokens read, 20 written and 30 read from the cache."
    (request,) = typed.model.requests
    assert request.system == "Answer from the sections."
    assert [section.section_id for section in request.sections] == [
        "vi/returns#thoi-han-doi-tra",
        "vi/returns#phi-doi-tra",
    ]
    assert request.messages[-1].text == "đổi trả mấy ngày?"
    assert not typed.settings.shopdesk_data.exists()


def test_a_conversation_is_held_turn_by_turn_on_the_day_that_the_test_names(tmp_path: Path) -> None:
    typed = Typed(tmp_path, tests="- ask: [đổi trả mấy ngày?, còn giày?]\n  says: 7 ngày\n  at: 2027-02-06\n")
    found = typed.json("test", "--model", "anthropic:claude-test")
    assert (found["passed"], found["tokens"]["output_tokens"]) == (1, 40)
    last = typed.model.requests[-1]
    assert [said.text for said in last.messages] == ["đổi trả mấy ngày?", "Trong 7 ngày ạ.", "còn giày?"]
    assert "2027-02-06 12:00" in last.context


def test_an_answer_that_says_something_else_fails_with_its_words(tmp_path: Path) -> None:
    typed = Typed(tmp_path)
    typed.model.script = lambda request: ("Trong 17 ngày ạ.",)
    found = typed.json("test", "--model", "anthropic:claude-test")
    assert (found["ok"], found["failed"], found["tests"][0]["answer"]) == (False, 1, "Trong 17 ngày ạ.")
    assert found["tests"][0]["failures"] == ["should be answered with “7 ngày”, but the answer is: “Trong 17 ngày ạ.”"]


def test_a_model_that_is_down_is_a_failure_with_its_reason_and_its_costs_count(tmp_path: Path) -> None:
    typed = Typed(tmp_path)
    typed.model.billed = Usage(input_tokens=7)
    typed.model.script = lambda request: (ModelUnavailable("overloaded"),)
    found = typed.json("test", "--model", "anthropic:claude-test")
    assert found["tests"][0]["failures"] == ["the model gave no answer: overloaded"]
    assert found["tokens"]["input_tokens"] == 7


def test_offline_is_no_model_that_could_be_held_to_its_words(tmp_path: Path) -> None:
    typed = Typed(tmp_path)
    found = typed.type("test", "--model", "offline")
    assert (found.exit_code, typed.model.requests) == (0, [])
    assert "it needs a model (“offline” only quotes)" in found.stdout


def test_junit_is_valid_xml_whatever_the_tests_say(tmp_path: Path) -> None:
    hostile = '- ask: "<a> & \\"b\\" ]]> \\uffff \\e[31m"\n  finds: vi/returns\n'
    typed = Typed(tmp_path, tests=TESTS + SAID + hostile)
    assert typed.type("test", "--junit", str(tmp_path / "x.xml")).exit_code == 1
    root = ElementTree.parse(tmp_path / "x.xml").getroot()
    assert {name: root.attrib[name] for name in ("tests", "failures", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
    }
    cases = root.findall("testsuite/testcase")
    assert [case.attrib["name"] for case in cases][2] == '<a> & "b" ]]> � [31m'
    failure = cases[2].find("failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("should find “vi/returns” among the first 3")
    assert cases[1].find("skipped") is not None


def test_other_versions_and_folders_can_be_tried(tmp_path: Path) -> None:
    typed = Typed(tmp_path)
    typed.start()
    write(tmp_path / "other", good_files() | {"tests/a.yaml": FAILING})
    write(typed.prompts, {"tests/a.yaml": FAILING})
    assert (typed.type("test").exit_code, typed.type("test", "live").exit_code) == (1, 0)
    assert typed.type("test", "--prompts", str(tmp_path / "other")).exit_code == 1
    assert typed.json("test", "live")["on"].startswith("version ")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("live",), "No policy version was live yet"),
        (("zzzz",), "“zzzz” names no version"),
        (("--model", "gpt"), "--model gpt names no model: write PROVIDER:MODEL, or offline."),
        (("--junit", "/nowhere/x.xml"), "/nowhere/x.xml cannot be written (No such file or directory)"),
    ],
)
def test_what_cannot_run_is_one_sentence(tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    found = Typed(tmp_path).type("test", *words)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith(complaint)
    assert found.stderr.count("\n") == 1


def test_a_folder_that_does_not_check_is_not_tried(tmp_path: Path) -> None:
    typed = Typed(tmp_path, tests="- ask: a\n  finds: vi/return\n")
    found = typed.type("test")
    assert found.exit_code == 1
    assert "tests/a.yaml:2: there is no section “vi/return”. Did you mean “vi/returns”?" in found.stdout
    assert found.stdout.endswith("This does not check, so nothing was tried.\n")
    assert typed.json("test")["problems"][0]["line"] == 2


def test_a_shop_without_tests_is_told_where_they_go(tmp_path: Path) -> None:
    assert "There are no tests in" in Typed(tmp_path, tests="").type("test").stdout


def test_a_failing_test_keeps_a_version_from_going_live(tmp_path: Path) -> None:
    typed = Typed(tmp_path)
    typed.start()
    live = typed.json("test", "live")["version"]
    write(typed.prompts, {"tests/b.yaml": FAILING})
    typed.start()
    assert typed.json("test", "live")["version"] == live
